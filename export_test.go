package agent

// PhaseOf tells tests when a job is to start.
var PhaseOf = phaseOf
