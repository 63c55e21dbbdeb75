package stock

// DefaultConfig is what holds if a config file says nothing.
var DefaultConfig = defaultConfig
