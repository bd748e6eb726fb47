// Command promclient asks a Prometheus API as programs in Go do, with the official client, and prints what it got.
//
//	promclient URL QUERY START END STEP_SECONDS
//
// START and END are Unix seconds. Exits with 1 and the client's own words where an answer cannot be read.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

type found struct {
	Points   int              `json:"points"`
	Last     float64          `json:"last"`
	LastTime int64            `json:"last_time"`
	Series   int              `json:"series"`
	Names    int              `json:"names"`
	Labels   model.LabelNames `json:"labels"`
	Version  string           `json:"version"`
	Metadata int              `json:"metadata"`
	Sum      string           `json:"sum"`
	Instant  int              `json:"instant"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) != 5 {
		return fmt.Errorf("usage: promclient URL QUERY START END STEP_SECONDS")
	}
	client, err := api.NewClient(api.Config{Address: words[0]})
	if err != nil {
		return err
	}
	var numbers [3]float64
	for place, word := range words[2:] {
		if numbers[place], err = strconv.ParseFloat(word, 64); err != nil {
			return err
		}
	}
	start, end := time.Unix(int64(numbers[0]), 0), time.Unix(int64(numbers[1]), 0)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	prometheus, query := v1.NewAPI(client), words[1]
	var out found
	sum, _, err := prometheus.Query(ctx, "1+1", end)
	if err != nil {
		return err
	}
	out.Sum = sum.(*model.Scalar).Value.String()
	step := time.Duration(numbers[2] * float64(time.Second))
	value, _, err := prometheus.QueryRange(ctx, query, v1.Range{Start: start, End: end, Step: step})
	if err != nil {
		return err
	}
	for _, stream := range value.(model.Matrix) {
		out.Points += len(stream.Values)
		last := stream.Values[len(stream.Values)-1]
		out.Last, out.LastTime = float64(last.Value), last.Timestamp.Unix()
	}
	instant, _, err := prometheus.Query(ctx, query, start)
	if err != nil {
		return err
	}
	out.Instant = len(instant.(model.Vector))
	series, _, err := prometheus.Series(ctx, []string{query}, start, end)
	if err != nil {
		return err
	}
	out.Series = len(series)
	names, _, err := prometheus.LabelValues(ctx, "__name__", nil, start, end)
	if err != nil {
		return err
	}
	out.Names = len(names)
	if out.Labels, _, err = prometheus.LabelNames(ctx, nil, start, end); err != nil {
		return err
	}
	build, err := prometheus.Buildinfo(ctx)
	if err != nil {
		return err
	}
	out.Version = build.Version
	metadata, err := prometheus.Metadata(ctx, "", "")
	if err != nil {
		return err
	}
	out.Metadata = len(metadata)
	return json.NewEncoder(os.Stdout).Encode(out)
}
