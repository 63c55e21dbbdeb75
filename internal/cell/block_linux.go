package cell

// openBlock chooses the best kind of cells that this host offers, and what limits
// their runs in place of the controllers that it lacks.
func openBlock(config Config) (block, limiter, error) {
	b := openLinuxBlock(config)
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

func openLinuxBlock(config Config) block {
	if !config.NoCgroup {
		cgroups, err := openCgroups(config)
		if err == nil {
			return cgroups
		}
		config.Logger.Info("commands run without a cgroup of their own", "reason", err)
	}
	return openFamilies(config, becomeSubreaper)
}
