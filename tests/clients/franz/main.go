// A client on franz-go, a protocol stack of its own: results as one JSON object per line, the last with "done".
//
//	franz produce   --bootstrap-server H:P,… --topic T [--records 100] [--value-bytes 100] [--acks 0|1|all]
//	                [--idempotent=true] [--compression none|gzip|snappy|lz4|zstd] [--partition -1]
//	franz oversized --bootstrap-server H:P,… --topic T [--records 21] [--value-bytes 60000] [--oversized-bytes 105000]
//	                [--acks …] [--idempotent=…]     every record a batch of its own, five in flight, to partition 0
//	franz consume   --bootstrap-server H:P,… --topic T --group G [--records 100] [--timeout 60s]
//	franz commits   --bootstrap-server H:P,… --topic T --group G --offsets 10,20,30 [--records 100] [--timeout 60s]
//	                reads like consume, then commits these offsets of partition 0 one after another
//
// Each with TLS by --ca FILE (and a certificate of its own by --certificate FILE --key FILE), and with SASL by
// --mechanism PLAIN|SCRAM-SHA-512 --user U --password P. --address A: every broker is there, whatever its name says.
//
// An acks other than all needs --idempotent=false, as the protocol has it.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

type flags struct {
	bootstrapServer, topic, group, acks, compression, offsets string
	ca, certificate, key, address                             string
	mechanism, user, password                                 string
	records, valueBytes, oversizedBytes, partition            int
	idempotent                                                bool
	timeout                                                   time.Duration
}

func main() {
	if len(os.Args) < 2 {
		fatal(errors.New("produce, oversized, consume or commits"))
	}
	command := os.Args[1]
	set := flag.NewFlagSet(command, flag.ExitOnError)
	f := flags{}
	set.StringVar(&f.bootstrapServer, "bootstrap-server", "", "")
	set.StringVar(&f.topic, "topic", "", "")
	set.StringVar(&f.group, "group", "", "")
	set.StringVar(&f.acks, "acks", "all", "")
	set.StringVar(&f.compression, "compression", "none", "")
	set.StringVar(&f.offsets, "offsets", "", "")
	set.StringVar(&f.ca, "ca", "", "")
	set.StringVar(&f.certificate, "certificate", "", "")
	set.StringVar(&f.key, "key", "", "")
	set.StringVar(&f.address, "address", "", "")
	set.StringVar(&f.mechanism, "mechanism", "", "")
	set.StringVar(&f.user, "user", "", "")
	set.StringVar(&f.password, "password", "", "")
	set.IntVar(&f.records, "records", map[string]int{"oversized": 21}[command], "")
	set.IntVar(&f.valueBytes, "value-bytes", 0, "")
	set.IntVar(&f.oversizedBytes, "oversized-bytes", 105_000, "")
	set.IntVar(&f.partition, "partition", -1, "")
	set.BoolVar(&f.idempotent, "idempotent", true, "")
	set.DurationVar(&f.timeout, "timeout", 60*time.Second, "")
	if err := set.Parse(os.Args[2:]); err != nil {
		fatal(err)
	}
	if f.records == 0 {
		f.records = 100
	}
	switch command {
	case "produce":
		produce(f, false)
	case "oversized":
		f.partition = 0
		produce(f, true)
	case "consume":
		consume(f, func(client *kgo.Client, ctx context.Context) { commitRead(client, ctx) })
	case "commits":
		consume(f, func(client *kgo.Client, ctx context.Context) { commitEach(f, client, ctx) })
	default:
		fatal(fmt.Errorf("unknown command %q", command))
	}
}

// How the brokers are reached.
func reach(f flags) []kgo.Opt {
	options := []kgo.Opt{kgo.SeedBrokers(strings.Split(f.bootstrapServer, ",")...)}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			fatal(err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			fatal(fmt.Errorf("no certificate in %s", f.ca))
		}
		config := tls.Config{RootCAs: roots}
		if f.certificate != "" {
			own, err := tls.LoadX509KeyPair(f.certificate, f.key)
			if err != nil {
				fatal(err)
			}
			config.Certificates = []tls.Certificate{own}
		}
		options = append(options, kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			named := config.Clone()
			named.ServerName = host
			if f.address != "" {
				address = net.JoinHostPort(f.address, port)
			}
			dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: named}
			return dialer.DialContext(ctx, network, address)
		}))
	}
	switch f.mechanism {
	case "":
	case "PLAIN":
		options = append(options, kgo.SASL(plain.Auth{User: f.user, Pass: f.password}.AsMechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(scram.Auth{User: f.user, Pass: f.password}.AsSha512Mechanism()))
	default:
		fatal(fmt.Errorf("unknown mechanism %q", f.mechanism))
	}
	return options
}

func produce(f flags, oversized bool) {
	options := append(reach(f),
		kgo.DefaultProduceTopic(f.topic),
		kgo.RecordDeliveryTimeout(30*time.Second),
		kgo.ProducerBatchCompression(compression(f.compression)),
		kgo.RequiredAcks(map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[f.acks]),
	)
	if f.partition >= 0 {
		options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	switch {
	case !f.idempotent:
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(5))
	case f.acks != "all":
		fatal(errors.New("--acks other than all needs --idempotent=false"))
	}
	valueBytes := f.valueBytes
	if valueBytes == 0 {
		valueBytes = map[bool]int{false: 100, true: 60_000}[oversized]
	}
	if oversized {
		// The client's limit lets the oversized record pass and no two records together: each is a batch of its own,
		// however many wait for the five in flight.
		limit := f.oversizedBytes + 1_000
		if 2*valueBytes < limit {
			fatal(fmt.Errorf("--value-bytes %d: two fit into a batch of %d bytes", valueBytes, limit))
		}
		options = append(options, kgo.ProducerBatchMaxBytes(int32(limit)), kgo.ProducerLinger(0))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		fatal(err)
	}
	defer client.Close()

	type result struct {
		record *kgo.Record
		err    error
	}
	results := make([]chan result, f.records)
	for id := range results {
		size := valueBytes
		if oversized && id == f.records/2 {
			size = f.oversizedBytes
		}
		record := &kgo.Record{Key: []byte(strconv.Itoa(id)), Value: make([]byte, size), Partition: int32(max(f.partition, 0))}
		done := make(chan result, 1)
		results[id] = done
		client.Produce(context.Background(), record, func(r *kgo.Record, err error) { done <- result{r, err} })
	}
	if err := client.Flush(context.Background()); err != nil {
		fatal(err)
	}
	ok, failed := 0, 0
	for id, done := range results {
		r := <-done
		if r.err != nil {
			failed++
			line(map[string]any{"id": id, "error": name(r.err), "message": r.err.Error()})
			continue
		}
		ok++
		line(map[string]any{"id": id, "partition": r.record.Partition, "offset": r.record.Offset})
	}
	line(map[string]any{"done": true, "ok": ok, "failed": failed})
}

// Reads as a member of the group, and commits before it leaves.
func consume(f flags, commit func(*kgo.Client, context.Context)) {
	client, err := kgo.NewClient(append(reach(f),
		kgo.ConsumerGroup(f.group),
		kgo.ConsumeTopics(f.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)...)
	if err != nil {
		fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	read := 0
	for read < f.records && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			line(map[string]any{"partition": r.Partition, "offset": r.Offset, "key": string(r.Key), "valueBytes": len(r.Value)})
		})
	}
	commit(client, ctx)
	line(map[string]any{"done": read >= f.records, "read": read})
}

func commitRead(client *kgo.Client, ctx context.Context) {
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		line(map[string]any{"error": name(err), "message": err.Error()})
	}
}

func commitEach(f flags, client *kgo.Client, ctx context.Context) {
	for _, text := range strings.Split(f.offsets, ",") {
		offset, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			fatal(err)
		}
		told := "client"
		at := map[string]map[int32]kgo.EpochOffset{f.topic: {0: {Epoch: -1, Offset: offset}}}
		client.CommitOffsetsSync(ctx, at, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if err != nil || len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
				return
			}
			told = ""
			if err := kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode); err != nil {
				told = name(err)
			}
		})
		commit := map[string]any{"commit": offset}
		if told != "" {
			commit["error"] = told
		}
		line(commit)
	}
}

func compression(name string) kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[name]
}

// The broker's word for an error, MESSAGE_TOO_LARGE, or "client" for one that the client made up.
func name(err error) string {
	var broker *kerr.Error
	if errors.As(err, &broker) {
		return broker.Message
	}
	return "client"
}

func line(pairs map[string]any) {
	text, err := json.Marshal(pairs)
	if err != nil {
		fatal(err)
	}
	fmt.Println(string(text))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "franz:", err)
	os.Exit(2)
}
