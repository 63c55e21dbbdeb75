package cell

// openBlock chooses the best kind of cells that this host offers.
func openBlock(config Config) (block, limiter, error) {
	b, limits, err := openLinuxBlock(config)
	if err != nil || limits || config.MaxProcesses <= 0 {
		return b, nil, err
	}
	pids, err := openPidsV1(config.MaxProcesses)
	if err != nil {
		config.Logger.Info("the number of processes of a command is not limited", "reason", err)
		return b, nil, nil
	}
	return b, pids, nil
}

func openLinuxBlock(config Config) (b block, limits bool, err error) {
	if !config.NoCgroup {
		cgroups, err := openCgroups(config)
		if err == nil {
			return cgroups, cgroups.processes != nil, nil
		}
		config.Logger.Info("commands run without cgroups", "reason", err)
	}
	families, err := openFamilies(config)
	return families, false, err
}
