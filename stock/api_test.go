package stock_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

// Clients hold all connections that the API accepts, and keep asking.
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

func TestControlIsAuditedBesideTheLog(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.get(t, "/update")
	who := "loopback"
	if os.Getuid() == 0 { // plugins have a user of their own, which the caller could be
		who = "uid 0"
	}
	require.Contains(t, h.read(t, "log/audit.log"), fmt.Sprintf(`"who":%q`, who))
	h.get(t, "/me/status")
	require.Equal(t, 1, strings.Count(h.read(t, "log/audit.log"), "\n"))

	socket := filepath.Join(h.dir, "agent.sock")
	h.configure(t, fmt.Sprintf("api.socket = %q\n", socket))
	require.NoError(t, service.Reload(t.Context()))
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://agent/plugins/run")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Contains(t, h.read(t, "log/audit.log"), fmt.Sprintf(`"who":"uid %d","from":"unix socket","what":"GET /plugins/run","result":"400 `, os.Getuid()))
}
