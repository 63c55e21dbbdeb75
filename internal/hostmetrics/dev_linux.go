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
	for i, name := range sensorNames(inputs) {
		if fault, _ := readInt(strings.TrimSuffix(inputs[i], "_input") + "_fault"); fault == 0 {
			p.addTemperature(inputs[i], name)
		}
	}
}

// Bounds of temperatures in m°C: no hardware works beyond. Drivers have shown
// absolute zero, -650788 °C (raspberrypi/firmware#133) and the like.
const (
	coldest = -100_000
	hottest = 1_000_000
)

// addTemperature reports what a file holds in m°C.
func (p *points) addTemperature(file, sensor string) {
	if t, ok := readInt(file); ok && t >= coldest && t <= hottest {
		p.add("dev.temperature", float64(t)/1000, map[string]string{"sensor": sensor})
	}
}

// sensorNames returns a name for each input. Where a chip gives one label to
// two of its sensors (node_exporter#406), the label is followed by the
// input's name; where chips cannot be told apart either, by the chip's number.
func sensorNames(inputs []string) []string {
	names := make([]string, len(inputs))
	for i, input := range inputs {
		names[i] = sensorName(strings.TrimSuffix(input, "_input"))
	}
	distinct(names, func(i int) string {
		return names[i] + "." + strings.TrimSuffix(filepath.Base(inputs[i]), "_input")
	})
	distinct(names, func(i int) string {
		return names[i] + "." + filepath.Base(strings.TrimSuffix(filepath.Dir(inputs[i]), "/device"))
	})
	return names
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
		p.addTemperature(filepath.Join(zone, "temp"), readText(filepath.Join(zone, "type"))+"."+filepath.Base(zone))
	}
}

// addRAID reports how many disks each array misses. Arrays without redundancy
// cannot be degraded. See the kernel's Documentation/admin-guide/md.rst.
func (h hardware) addRAID(p *points) {
	for _, file := range h.glob("block/md*/md/degraded") {
		if missing, ok := readInt(file); ok && missing >= 0 {
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
