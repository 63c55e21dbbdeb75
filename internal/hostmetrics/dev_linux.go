package hostmetrics

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lodastack/agent"
)

// hardware measures the health of the hardware as shown in /sys. If the host
// has no sensor for a value, the value is absent.
type hardware struct {
	sys   string
	names filter // of sensors
}

func newHardware(c Config) hardware { return hardware{filepath.Join(c.Root, "sys"), c.sensors()} }

// Collect implements [agent.Collector].
func (h hardware) Collect(context.Context) ([]agent.Metric, error) {
	var p points
	for _, q := range quantities() {
		h.addSensors(&p, q)
		if q.name == temperature && len(p) == 0 {
			h.addThermalZones(&p)
		}
	}
	h.addRAID(&p)
	h.addMemoryErrors(&p)
	return p, nil
}

// addMemoryErrors adds the errors of all memory controllers since boot, unless
// one of them cannot be read. See the kernel's
// Documentation/admin-guide/RAS/main.rst.
func (h hardware) addMemoryErrors(p *points) {
	for _, kind := range [...]struct{ tag, file string }{{"corrected", "ce_count"}, {"uncorrected", "ue_count"}} {
		files := h.glob("devices/system/edac/mc/mc*/" + kind.file)
		var sum int64
		known := len(files) > 0
		for _, file := range files {
			n, ok := readInt(file)
			known = known && ok && n >= 0
			sum += n
		}
		if known {
			p.add("dev.edac.errors", float64(sum), map[string]string{"type": kind.tag})
		}
	}
}

// glob returns the files below /sys that match. All patterns are constants and
// valid, so there is no error.
func (h hardware) glob(pattern string) []string {
	paths, _ := filepath.Glob(filepath.Join(h.sys, pattern))
	return paths
}

func readText(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func readInt(path string) (int64, bool) {
	n, err := strconv.ParseInt(readText(path), 10, 64)
	return n, err == nil
}
