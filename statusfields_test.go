package agent_test

import (
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// schema is a part of the API's description.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	Additional json.RawMessage   `json:"additionalProperties"`
}

func TestDescriptionOfTheAPIHasEachFieldOfTheStatus(t *testing.T) {
	var description struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	content, err := os.ReadFile("internal/httpapi/openapi.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &description))
	schemas := description.Components.Schemas

	var check func(where string, of reflect.Type, s schema)
	check = func(where string, of reflect.Type, s schema) {
		if name, isRef := strings.CutPrefix(s.Ref, "#/components/schemas/"); isRef {
			s = schemas[name]
		}
		switch of.Kind() {
		case reflect.Pointer:
			check(where, of.Elem(), s)
		case reflect.Slice:
			if s.Items != nil {
				check(where+"[]", of.Elem(), *s.Items)
			}
		case reflect.Map:
			var values schema
			if json.Unmarshal(s.Additional, &values) == nil {
				check(where+".*", of.Elem(), values)
			}
		case reflect.Struct:
			if of.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
				return // a time
			}
			for _, field := range reflect.VisibleFields(of) {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				if name == "" || name == "-" {
					continue
				}
				is, found := s.Properties[name]
				if !found {
					t.Errorf("openapi.json lacks %s.%s", where, name)
					continue
				}
				check(where+"."+name, field.Type, is)
			}
		}
	}
	check("Status", reflect.TypeFor[agent.Status](), schemas["Status"])
}
