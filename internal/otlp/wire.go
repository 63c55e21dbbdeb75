package otlp

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is a field of a message.
type field struct {
	number protowire.Number
	typ    protowire.Type
	bits   uint64 // of a number
	bytes  []byte // of a string or message
}

// is reports whether the field has this number and type. A field of another type is an unknown
// one.
func (f field) is(number protowire.Number, typ protowire.Type) bool {
	return f.number == number && f.typ == typ
}

// fields returns the fields of a message, in their order on the wire. An error ends them.
//
// https://protobuf.dev/programming-guides/encoding/
func fields(message []byte) iter.Seq2[field, error] {
	return func(yield func(field, error) bool) {
		for len(message) > 0 {
			f, n := consume(message)
			if n < 0 {
				yield(field{}, fmt.Errorf("the protobuf message is damaged: %w", protowire.ParseError(n)))
				return
			}
			message = message[n:]
			if !yield(f, nil) {
				return
			}
		}
	}
}

// consume returns the first field of a message and its size, which is negative if it is damaged.
func consume(message []byte) (f field, size int) {
	number, typ, size := protowire.ConsumeTag(message)
	if size < 0 {
		return field{}, size
	}
	f, n := field{number: number, typ: typ}, 0
	value := message[size:]
	switch typ {
	case protowire.VarintType:
		f.bits, n = protowire.ConsumeVarint(value)
	case protowire.Fixed64Type:
		f.bits, n = protowire.ConsumeFixed64(value)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(value)
	default:
		n = protowire.ConsumeFieldValue(number, typ, value)
	}
	if n < 0 {
		return field{}, n
	}
	return f, size + n
}

// appendFixed64 appends the numbers of a repeated field, which may be packed.
func appendFixed64(list []uint64, f field) ([]uint64, error) {
	if f.typ == protowire.Fixed64Type {
		return append(list, f.bits), nil
	}
	packed := f.bytes
	for len(packed) > 0 {
		bits, n := protowire.ConsumeFixed64(packed)
		if n < 0 {
			return nil, fmt.Errorf("the protobuf message is damaged: %w", protowire.ParseError(n))
		}
		list, packed = append(list, bits), packed[n:]
	}
	return list, nil
}
