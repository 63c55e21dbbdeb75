package hostmetrics

import (
	"os"
	"path/filepath"
	"strings"
)

// temperature is the measurement that thermal zones have, too.
const temperature = "dev.temperature"

// quantity is what sensors of /sys/class/hwmon measure. See the kernel's
// Documentation/hwmon/sysfs-interface.rst.
type quantity struct {
	name   string // of the measurement
	inputs []string
	unit   float64 // how many of the files' units are one of the measurement's
	// What is outside of least to most is no reading. Drivers have reported absolute zero
	// and -650788 °C (raspberrypi/firmware#133).
	least, most int64
}

// quantities returns all, temperatures first.
func quantities() []quantity {
	return []quantity{
		{temperature, []string{"temp*_input"}, 1000, -100_000, 1_000_000},
		{"dev.fan", []string{"fan*_input"}, 1, 0, 100_000},
		{"dev.voltage", []string{"in[0-9]*_input"}, 1000, -1_000_000, 1_000_000},
		// A chip has the momentary power, a mean or both.
		{"dev.power", []string{"power*_input", "power*_average"}, 1e6, 0, 100_000_000_000},
	}
}

func (h hardware) addSensors(p *points, q quantity) {
	for _, s := range h.sensors(q) {
		if h.why(s) != "" {
			continue
		}
		if fault, _ := readInt(s.stem() + "_fault"); fault == 0 {
			p.addReading(q, s)
		}
	}
}

// sensor is an input of a chip.
type sensor struct{ name, file string }

// stem is what the names of all files of the sensor begin with.
func (s sensor) stem() string { return stem(s.file) }

func stem(input string) string {
	return strings.TrimSuffix(strings.TrimSuffix(input, "_input"), "_average")
}

func (h hardware) sensors(q quantity) (all []sensor) {
	var inputs []string
	seen := make(map[string]bool)
	for _, pattern := range q.inputs {
		// Before Linux 3.15 the files of drivers were in device.
		for _, dir := range [...]string{"", "device/"} {
			for _, input := range h.glob("class/hwmon/hwmon*/" + dir + pattern) {
				if !seen[stem(input)] {
					seen[stem(input)] = true
					inputs = append(inputs, input)
				}
			}
		}
	}
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

func (p *points) addReading(q quantity, s sensor) {
	if n, ok := readInt(s.file); ok && n >= q.least && n <= q.most {
		p.add(q.name, float64(n)/q.unit, map[string]string{"sensor": s.name})
	}
}

// sensorNames returns a name for each input. If two sensors of a chip have the
// same label (node_exporter#406), the input's name is appended. If two chips
// have the same name, the chip's number is appended.
func sensorNames(inputs []string) []string {
	names := make([]string, len(inputs))
	for i, input := range inputs {
		names[i] = sensorName(stem(input))
	}
	distinct(names, func(i int) string {
		return names[i] + "." + filepath.Base(stem(inputs[i]))
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
			p.addReading(quantities()[0], s)
		}
	}
}

func (h hardware) thermalZones() (all []sensor) {
	for _, zone := range h.glob("class/thermal/thermal_zone*") {
		all = append(all, sensor{readText(filepath.Join(zone, "type")) + "." + filepath.Base(zone), filepath.Join(zone, "temp")})
	}
	return all
}
