package stock_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

// Clients hold all connections that the API may have, and go on asking.
func TestStopAndReloadAreBoundedWhileAllConnectionsAreOpen(t *testing.T) {
	h := newHost(t)
	h.configure(t, "api.maxconnections = 2\n")
	service, err := stock.NewService(h.config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()

	asked := make(chan struct{}, 2)
	clients, leave := context.WithCancel(t.Context())
	var open sync.WaitGroup
	for range 2 {
		open.Go(func() {
			client := http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
			defer client.CloseIdleConnections()
			for told := false; clients.Err() == nil; {
				request, err := http.NewRequestWithContext(clients, "GET", "http://"+h.listen+"/healthz", nil)
				if err != nil {
					return
				}
				if response, err := client.Do(request); err == nil {
					response.Body.Close()
					if !told {
						asked <- struct{}{}
					}
					told = true
				}
			}
		})
	}
	<-asked
	<-asked
	began := time.Now()
	h.configure(t, "api.maxconnections = 2\noutput.buffersize = 2000\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Less(t, time.Since(began), 10*time.Second, "reload")

	began = time.Now()
	cancel()
	require.NoError(t, <-ended)
	require.Less(t, time.Since(began), 10*time.Second, "stop")
	leave()
	open.Wait()
}
