package hostmetrics

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lodastack/agent"
)

// hardware measures what /sys shows of the hardware's health. What the host
// has no sensor for is absent.
type hardware struct{ sys string }

func newHardware(root string) agent.Collector { return hardware{filepath.Join(root, "sys")} }

// Collect implements [agent.Collector].
func (h hardware) Collect(context.Context) ([]agent.Metric, error) {
	var p points
	if h.addSensors(&p); len(p) == 0 {
		h.addThermalZones(&p)
	}
	h.addRAID(&p)
	h.addMemoryErrors(&p)
	return p, nil
}

// addSensors reports the temperatures of /sys/class/hwmon, in °C. See the
// kernel's Documentation/hwmon/sysfs-interface.rst.
func (h hardware) addSensors(p *points) {
	inputs := h.glob("class/hwmon/hwmon*/temp*_input")
	// Before Linux 3.15, drivers had their files here.
	inputs = append(inputs, h.glob("class/hwmon/hwmon*/device/temp*_input")...)
	for _, input := range inputs {
		sensor := strings.TrimSuffix(input, "_input")
		millidegrees, ok := readInt(input)
		if fault, _ := readInt(sensor + "_fault"); !ok || fault != 0 {
			continue
		}
		p.add("dev.temperature", float64(millidegrees)/1000, map[string]string{"sensor": sensorName(sensor)})
	}
}

// sensorName tells the sensors of several chips of one kind apart by the
// chip's device, which, other than its number in hwmon, stays the same.
func sensorName(sensor string) string {
	dir := filepath.Dir(sensor)
	chip, label := readText(filepath.Join(dir, "name")), readText(sensor+"_label")
	if label == "" {
		label = filepath.Base(sensor)
	}
	device, err := os.Readlink(filepath.Join(dir, "device"))
	if err != nil {
		return chip + "." + label
	}
	if device = filepath.Base(device); strings.HasPrefix(device, chip) {
		return device + "." + label
	}
	return chip + "." + device + "." + label
}

// addThermalZones reports the zones that virtual machines and small boards
// have in place of sensors.
func (h hardware) addThermalZones(p *points) {
	for _, zone := range h.glob("class/thermal/thermal_zone*") {
		if millidegrees, ok := readInt(filepath.Join(zone, "temp")); ok {
			name := readText(filepath.Join(zone, "type")) + "." + filepath.Base(zone)
			p.add("dev.temperature", float64(millidegrees)/1000, map[string]string{"sensor": name})
		}
	}
}

// addRAID reports how many disks each array misses. Arrays without redundancy
// cannot be degraded. See the kernel's Documentation/admin-guide/md.rst.
func (h hardware) addRAID(p *points) {
	for _, file := range h.glob("block/md*/md/degraded") {
		if missing, ok := readInt(file); ok {
			device := filepath.Base(filepath.Dir(filepath.Dir(file)))
			p.add("dev.raid.degraded", float64(missing), map[string]string{"device": device})
		}
	}
}

// addMemoryErrors reports the errors of all memory controllers since the
// start, unless one of them cannot be read. See the kernel's Documentation/admin-guide/RAS/main.rst.
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

// glob returns what matches below /sys. Its patterns are constants, so that
// there is no error.
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
