package nsqoutput

import "context"

// Ask connects to the nsqd at addr as the output of this config would, with TLS
// and AUTH, and says why that fails. It sends no message.
func Ask(ctx context.Context, addr string, cfg Config) error {
	cfg = cfg.withDefaults()
	c, err := open(ctx, addr, &cfg)
	if err != nil {
		return err
	}
	c.close()
	return nil
}
