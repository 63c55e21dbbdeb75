package nsqoutput_test

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

func TestWriteUsesTLSAndTheSecret(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{TLS: true, Secret: "s3cret"})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}, TLS: server.ClientTLS(), AuthSecret: "s3cret"})
	require.NoError(t, out.Write(t.Context(), batch(10)))
	require.Equal(t, lines(10), server.Lines(t, "collect.ns", 10))
}

func TestWriteSaysWhatIsWrongWithTLSAndTheSecret(t *testing.T) {
	open := nsqdtest.Start(t, nsqdtest.Options{})
	withTLS := nsqdtest.Start(t, nsqdtest.Options{TLS: true})
	withSecret := nsqdtest.Start(t, nsqdtest.Options{Secret: "s3cret"})
	tests := map[string]struct {
		cfg  nsqoutput.Config
		want string
	}{
		"server without TLS":    {nsqoutput.Config{Servers: []string{open.Addr()}, TLS: withTLS.ClientTLS()}, "does not offer TLS; start nsqd with --tls-cert"},
		"unknown authority":     {nsqoutput.Config{Servers: []string{withTLS.Addr()}, TLS: &tls.Config{}}, "certificate signed by unknown authority"},
		"other server name":     {nsqoutput.Config{Servers: []string{withTLS.Addr()}, TLS: named(withTLS.ClientTLS(), "elsewhere")}, "elsewhere"},
		"server insists on TLS": {nsqoutput.Config{Servers: []string{withTLS.Addr()}}, "E_INVALID"},
		"no secret":             {nsqoutput.Config{Servers: []string{withSecret.Addr()}}, "asks for a secret; set output.authsecretfile"},
		"wrong secret":          {nsqoutput.Config{Servers: []string{withSecret.Addr()}, AuthSecret: "wrong"}, "AUTH: E_AUTH_FAILED"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := newOutput(t, tt.cfg)
			require.ErrorContains(t, out.Write(t.Context(), batch(1)), tt.want)
		})
	}
}

func named(cfg *tls.Config, name string) *tls.Config {
	cfg.ServerName = name
	return cfg
}
