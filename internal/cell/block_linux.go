package cell

// openBlock chooses the best kind of cells that this host offers.
func openBlock(config Config) (block, limiter, error) {
	b := openLinuxBlock(config)
	if b.enforced(Limits{Processes: 1}).Processes > 0 || config.Limits.Processes <= 0 {
		return b, nil, nil
	}
	pids, err := openPidsV1()
	if err != nil {
		config.Logger.Info("the number of processes of a command is not limited", "reason", err)
		return b, nil, nil
	}
	return b, pids, nil
}

func openLinuxBlock(config Config) block {
	if !config.NoCgroup {
		cgroups, err := openCgroups(config)
		if err == nil {
			return cgroups
		}
		config.Logger.Info("commands run without a cgroup of their own, and without limits of memory", "reason", err)
	}
	return openFamilies(config, becomeSubreaper)
}
