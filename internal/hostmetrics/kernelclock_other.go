//go:build !linux

package hostmetrics

func addKernelClock(*points) {}
