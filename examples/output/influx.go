package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/lodastack/agent"
)

// influx is an output that writes to InfluxDB 1.x over HTTP, without a queue
// between. A namespace is a database.
//
// https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint
type influx struct {
	url    string
	client http.Client
}

var _ agent.Output = (*influx)(nil)

// Write is called concurrently, and must return soon after ctx has ended: the
// request takes care of both. Nil means that the points are safe; after any
// error that is not permanent the agent tries again.
func (o *influx) Write(ctx context.Context, b agent.Batch) error {
	var lines bytes.Buffer
	if err := agent.NewWriterOutput(&lines).Write(ctx, b); err != nil {
		return err
	}
	address := o.url + "/write?precision=s&db=" + url.QueryEscape(b.Namespace)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, &lines)
	if err != nil {
		return fmt.Errorf("write to InfluxDB: %w", err)
	}
	response, err := o.client.Do(request)
	if err != nil {
		return fmt.Errorf("write to InfluxDB: %w", err)
	}
	defer response.Body.Close()
	reason, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil {
		return fmt.Errorf("write to InfluxDB: %w", err)
	}
	switch {
	case response.StatusCode/100 == 2:
		return nil
	case response.StatusCode/100 == 4: // the same points will not do better next time
		return agent.Permanent(fmt.Errorf("InfluxDB refused points of %s: %s: %s", b.Namespace, response.Status, reason))
	}
	return fmt.Errorf("write to InfluxDB: %s: %s", response.Status, reason)
}

// Close may be called more than once.
func (o *influx) Close(context.Context) error {
	o.client.CloseIdleConnections()
	return nil
}
