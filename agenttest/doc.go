// Package agenttest helps to test programs that use package agent.
//
// It has a fake of each part. A fake keeps the promises of its interface,
// records every call, and fails on request (see [Knobs]):
//
//	registry := agenttest.NewRegistry(agent.Assignment{Namespace: "web"})
//	output := agenttest.NewOutput()
//	a, err := agent.New(agent.WithRegistry(registry), agent.WithOutput(output), …)
//	…
//	output.Hang()
//	…
//	output.Heal()
//	points := output.WaitForNamed(t, "queue.depth", 1)
//
// It also has a contract suite for each interface, for your own parts:
// [TestRegistry], [TestOutput], [TestStore], [TestPluginRunner] and
// [TestCollector] check what the interface's comments promise. The stock parts
// and the fakes pass them.
//
//	registry.go output.go store.go collector.go pluginrunner.go   the fakes
//	program.go                                                    what a fake plugin does
//	knobs.go notes.go                                             how fakes misbehave; what they record
//	testregistry.go testoutput.go teststore.go testcollector.go
//	testpluginrunner.go suite.go                                  the contract suites
//	lines.go                                                      reading line protocol
//
// The fakes work in the bubbles of testing/synctest, where hours pass in no
// time. Make them inside the bubble. They are safe for concurrent use.
package agenttest
