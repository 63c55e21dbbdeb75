// The plugin tells for how long certificates are still good.
//
//	Measures  days.left{file}, of the first certificate in each file; negative
//	          when it has expired
//	Takes     PEM files, such as /etc/ssl/web.crt
//	Needs     a plugins' user that may read the files
//	Fails     when a file holds no certificate
//
// What is run is an executable file named plugin, so build one:
//
//	CGO_ENABLED=0 go build -o plugin .
//	agent plugin test . -- /etc/ssl/certs/*.pem
//
// docs/plugins.md shows how to keep it in a branch named release.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// metric is what the agent reads. It puts PLUGIN.<plugin>. before the name,
// adds the tag host, and takes its own time if there is no timestamp.
type metric struct {
	Name  string            `json:"name"`
	Value float64           `json:"value"`
	Tags  map[string]string `json:"tags,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(files []string) error {
	if len(files) == 0 {
		return errors.New("name PEM files as arguments, such as /etc/ssl/web.crt")
	}
	metrics := []metric{} // printed as [] and not as null if it is empty
	for _, file := range files {
		end, err := expiry(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		days := time.Until(end).Hours() / 24
		metrics = append(metrics, metric{Name: "days.left", Value: days, Tags: map[string]string{"file": file}})
	}
	return json.NewEncoder(os.Stdout).Encode(metrics)
}

// expiry returns until when the first certificate in file is good.
func expiry(file string) (time.Time, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, err
		}
		return certificate.NotAfter, nil
	}
	return time.Time{}, errors.New("holds no certificate in PEM form")
}
