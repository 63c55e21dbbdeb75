package hostmetrics

import (
	"context"
	"net/netip"
)

// FakeDNS makes every name of an NTP server have these addresses.
func FakeDNS(kinds []Kind, addresses ...string) {
	for _, k := range kinds {
		if c, ok := k.Collector.(*clock); ok {
			c.lookup = func(context.Context, string, string) (all []netip.Addr, err error) {
				for _, address := range addresses {
					all = append(all, netip.MustParseAddr(address))
				}
				return all, nil
			}
		}
	}
}

// ForgetKernelClock leaves NTP alone in the kind TIME.
func ForgetKernelClock(kinds []Kind) {
	for _, k := range kinds {
		if c, ok := k.Collector.(*clock); ok {
			c.kernel = func(*points) {}
		}
	}
}
