package stock

// DefaultConfig is what holds where a config file says nothing.
var DefaultConfig = defaultConfig
