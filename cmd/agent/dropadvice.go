package main

import "github.com/lodastack/agent/internal/delivery"

// dropAdvice says what to do about points that are dropped, by the reason of the
// agent or of a stock part, in the words of the config.
var dropAdvice = map[string]string{
	"bad_topic":                "no NSQ topic can have its name: give the namespace another name in the registry, or shorten output.topicprefix",
	"too_large":                "shorten the texts of these points, or raise output.maxmessagesize and nsqd's --max-msg-size",
	"bad_point":                "correct the program that sends these points",
	delivery.DroppedBufferFull: "bring the output back, or raise output.buffersize",
	"spool_full":               "bring the output back, or raise output.spoolsize",
	"spool_age":                "bring the output back, or raise output.spoolage",
	"spool_damaged":            "find out which program removes or changes the spool's files, and check the disk",
}
