package statsd

import (
	"math"

	"github.com/lightstep/go-expohisto/structure"
)

// buckets is the most that a distribution has. Its quantiles are within 1.1 % of the true
// ones if the largest sample is at most a thousand times the smallest one, within 2.2 % up
// to a million times, and within 4.4 % up to 10^12 times.
const buckets = 320

// distribution is what is kept of the samples of a timer. Its size does not depend on their
// number.
type distribution struct {
	histogram structure.Float64
	count     float64 // of samples, with those that were not sent because of the sample rate
	sum       float64
}

func newDistribution() *distribution {
	d := new(distribution)
	d.histogram.Init(structure.NewConfig(structure.WithMaxSize(buckets)))
	return d
}

// add adds a sample that stands for weight samples, 1 or more.
func (d *distribution) add(value, weight float64) {
	d.count += weight
	d.sum += value * weight
	d.histogram.UpdateByIncr(value, uint64(math.Round(weight)))
}

func (d *distribution) mean() float64 { return d.sum / d.count }

func (d *distribution) max() float64 { return d.histogram.Max() }

// quantile returns the value below which the share q of the samples is, of at least one
// sample.
func (d *distribution) quantile(q float64) float64 {
	h := &d.histogram
	rank := uint64(math.Ceil(q * float64(h.Count())))
	negative, positive := h.Negative(), h.Positive()
	var seen uint64
	for i := negative.Len(); i > 0; i-- { // the largest amount is the smallest value
		if seen += negative.At(i - 1); seen >= rank {
			return d.within(-middle(negative, i-1, h.Scale()))
		}
	}
	if seen += h.ZeroCount(); seen >= rank {
		return d.within(0)
	}
	for i := range positive.Len() {
		if seen += positive.At(i); seen >= rank {
			return d.within(middle(positive, i, h.Scale()))
		}
	}
	return d.max()
}

// middle returns the value in a bucket from which all others in it are the same factor away
// at most. The bucket with the index i is from 2^(i/2^scale) to 2^((i+1)/2^scale).
func middle(b *structure.Buckets, position uint32, scale int32) float64 {
	index := float64(b.Offset()) + float64(position)
	return math.Exp2(math.Ldexp(index+0.5, -int(scale)))
}

// within returns the value, or the smallest or largest sample if no sample is that small or
// large.
func (d *distribution) within(value float64) float64 {
	return min(max(value, d.histogram.Min()), d.histogram.Max())
}
