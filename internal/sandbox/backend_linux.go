package sandbox

// openBackend chooses the best kind of sandboxes that this host offers. The limiter sets
// the limits that these cannot have; it is nil if there are none or nothing can.
func openBackend(config Config) (backend, limiter, error) {
	b := openLinuxBackend(config)
	if all := (Limits{Processes: 1, Memory: 1, CPU: 1}); b.enforced(all) == all || config.Limits == (Limits{}) {
		return b, nil, nil
	}
	v1, err := openV1(config)
	if err != nil {
		config.Logger.Info("not all limits of commands hold", "reason", err)
		return b, nil, nil
	}
	return b, v1, nil
}

func openLinuxBackend(config Config) backend {
	if !config.NoCgroup {
		cgroups, err := openCgroups(config)
		if err == nil {
			return cgroups
		}
		config.Logger.Info("commands run without a cgroup of their own", "reason", err)
	}
	return openSubreaper(config, becomeSubreaper)
}
