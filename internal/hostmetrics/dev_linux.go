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
	for _, s := range h.sensors() {
		if h.why(s) != "" {
			continue
		}
		if fault, _ := readInt(strings.TrimSuffix(s.file, "_input") + "_fault"); fault == 0 {
			p.addTemperature(s)
		}
	}
}

// sensor is a temperature, which file has in m°C.
type sensor struct{ name, file string }

func (h hardware) sensors() (all []sensor) {
	inputs := h.glob("class/hwmon/hwmon*/temp*_input")
	// Before Linux 3.15 the files of drivers were here.
	inputs = append(inputs, h.glob("class/hwmon/hwmon*/device/temp*_input")...)
	for i, name := range sensorNames(inputs) {
		all = append(all, sensor{name, inputs[i]})
	}
	return all
}

// why says why a sensor is not read, as a clause. Empty: it is. Reading could wake its device.
func (h hardware) why(s sensor) string {
	if reason := h.names.why(s.name); reason != "" {
		return reason
	}
	chip := strings.TrimSuffix(filepath.Dir(s.file), "/device")
	if isSuspended(filepath.Join(chip, "device")) {
		return "its device is suspended"
	}
	return ""
}

// Range of temperatures in m°C: no hardware works outside of it. Drivers have
// reported absolute zero and -650788 °C (raspberrypi/firmware#133).
const (
	coldest = -100_000
	hottest = 1_000_000
)

func (p *points) addTemperature(s sensor) {
	if t, ok := readInt(s.file); ok && t >= coldest && t <= hottest {
		p.add("dev.temperature", float64(t)/1000, map[string]string{"sensor": s.name})
	}
}

// sensorNames returns a name for each input. If two sensors of a chip have the
// same label (node_exporter#406), the input's name is appended. If two chips
// have the same name, the chip's number is appended.
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

// sensorName distinguishes several chips of one kind by the chip's device.
// Unlike the chip's number in hwmon, the device stays the same.
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

// addThermalZones adds the zones, which virtual machines and small boards have
// in place of sensors.
func (h hardware) addThermalZones(p *points) {
	for _, s := range h.thermalZones() {
		if h.names.allows(s.name) {
			p.addTemperature(s)
		}
	}
}

func (h hardware) thermalZones() (all []sensor) {
	for _, zone := range h.glob("class/thermal/thermal_zone*") {
		all = append(all, sensor{readText(filepath.Join(zone, "type")) + "." + filepath.Base(zone), filepath.Join(zone, "temp")})
	}
	return all
}

// addRAID adds how many disks each array lacks. Arrays without redundancy
// cannot be degraded. See the kernel's Documentation/admin-guide/md.rst.
func (h hardware) addRAID(p *points) {
	for _, file := range h.glob("block/md*/md/degraded") {
		if missing, ok := readInt(file); ok && missing >= 0 {
			device := filepath.Base(filepath.Dir(filepath.Dir(file)))
			p.add("dev.raid.degraded", float64(missing), map[string]string{"device": device})
		}
	}
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
