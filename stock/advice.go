package stock

import (
	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/spool"
)

// dropAdvice says what to do about points that are dropped, by the reason, in the words of the
// config.
func dropAdvice() map[string]string {
	return map[string]string{
		nsqoutput.DroppedTopic:     "no NSQ topic can have its name: give the namespace another name in the registry, or shorten output.topicprefix",
		nsqoutput.DroppedTooLarge:  "shorten the texts of these points, or raise output.maxmessagesize and nsqd's --max-msg-size",
		nsqoutput.DroppedPoint:     "correct the program that sends these points",
		delivery.DroppedBufferFull: "bring the output back, or raise output.buffersize",
		spool.DroppedFull:          "bring the output back, or raise output.spoolsize",
		spool.DroppedAge:           "bring the output back, or raise output.spoolage",
		spool.DroppedDamaged:       "find out which program removes or changes the spool's files, and check the disk",
	}
}
