package statsd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuantilesAreWithinTheirBound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, test := range map[string]struct {
		value func() float64
		bound float64
	}{
		"uniform":       {func() float64 { return 1 + 998*random.Float64() }, 0.011},
		"lognormal":     {func() float64 { return math.Exp(random.NormFloat64()*1.2 + 3) }, 0.022},
		"exponential":   {func() float64 { return 0.1 + random.ExpFloat64() }, 0.011},
		"negative":      {func() float64 { return -math.Exp(random.NormFloat64()) }, 0.022},
		"both sides":    {func() float64 { return 10*random.Float64() - 3 }, 0.044},
		"twelve digits": {func() float64 { return math.Pow(10, 12*random.Float64()) }, 0.044},
		"integers":      {func() float64 { return float64(random.IntN(20)) }, 0.011},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 10, 1000, 50_000} {
				d := newDistribution()
				values := make([]float64, n)
				for i := range values {
					values[i] = test.value()
					d.add(values[i], 1)
				}
				slices.Sort(values)
				for _, q := range []float64{0.5, 0.9, 0.99} {
					exact := values[int(math.Ceil(q*float64(n)))-1]
					require.InDelta(t, exact, d.quantile(q), math.Abs(exact)*test.bound, "p%v of %d", q*100, n)
				}
				require.Equal(t, values[n-1], d.max())
				require.InEpsilon(t, float64(n), d.count, 1e-9)
			}
		})
	}
}

func TestSampleStandsForThoseThatWereNotSent(t *testing.T) {
	d := newDistribution()
	d.add(1, 9)
	d.add(100, 1)
	require.Equal(t, 10.0, d.count)
	require.InDelta(t, 10.9, d.mean(), 1e-9)
	require.InEpsilon(t, 1, d.quantile(0.9), 0.011)
	require.InEpsilon(t, 100, d.quantile(0.99), 0.011)
}

func TestExtremeSamplesAreTaken(t *testing.T) {
	d := newDistribution()
	for _, v := range []float64{0, math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64, -math.SmallestNonzeroFloat64, 1} {
		d.add(v, 1)
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99} {
		require.False(t, math.IsNaN(d.quantile(q)) || math.IsInf(d.quantile(q), 0), q)
	}
}
