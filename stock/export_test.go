package stock

// DefaultConfig is the config of an empty file.
var DefaultConfig = defaultConfig
