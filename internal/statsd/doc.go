// Package statsd receives metrics in the protocol of statsd, and sends what they amount to
// once per interval.
//
//	UDP, unix datagrams         socket.go
//	   │ packets
//	   ▼
//	parse                       parse.go
//	   │ samples
//	   ▼
//	gather                      one series for a name and its tags: gather.go series.go;
//	   │                        timers: distribution.go
//	   ▼ every 10 s
//	flush                       metrics to one namespace, tried again until they are
//	                            safe: flush.go; begin and end: server.go
//
// Two goroutines belong to a [Server] while it runs: one reads and one flushes. Without a
// Server nothing runs.
//
// A line is the one of Etsy (https://github.com/statsd/statsd/blob/master/docs/metric_types.md),
// with tags as DogStatsD writes them
// (https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/) or as Telegraf's statsd
// input reads them from the name.
package statsd
