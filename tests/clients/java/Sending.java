// A producer's records with what became of each: one JSON line per record, in the order of their ids. Not a program.

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

final class Sending {
    private final Producer<String, byte[]> producer;
    private final String topic;
    private final Integer partition;
    private final Long timestampMs;
    private final List<Future<RecordMetadata>> futures = new ArrayList<>();
    private int ok;
    private int failed;

    /** `partition` below 0: where the key hashes to. */
    Sending(Producer<String, byte[]> producer, String topic, int partition) {
        this(producer, topic, partition, null);
    }

    /** `timestampMs` null: now. */
    Sending(Producer<String, byte[]> producer, String topic, int partition, Long timestampMs) {
        this.timestampMs = timestampMs;
        this.producer = producer;
        this.topic = topic;
        this.partition = partition < 0 ? null : partition;
    }

    /** The key is the id in decimal: the number of records sent before. */
    void send(int valueBytes) {
        send(valueBytes, partition);
    }

    /** To another partition than the usual one. */
    void send(int valueBytes, Integer partition) {
        String key = String.valueOf(futures.size());
        try {
            futures.add(producer.send(new ProducerRecord<>(topic, partition, timestampMs, key, new byte[valueBytes])));
        } catch (RuntimeException refusedBeforeItWasQueued) {
            futures.add(java.util.concurrent.CompletableFuture.failedFuture(refusedBeforeItWasQueued));
        }
    }

    void report() throws InterruptedException {
        for (int id = 0; id < futures.size(); id++) {
            try {
                RecordMetadata told = futures.get(id).get();
                ok++;
                Line.print("id", id, "partition", told.partition(), "offset", told.offset());
            } catch (java.util.concurrent.ExecutionException e) {
                failed++;
                Throwable cause = Line.cause(e);
                Line.print("id", id, "error", cause.getClass().getSimpleName(), "message", cause.getMessage());
            }
        }
    }

    void done(Object... more) {
        Object[] pairs = new Object[6 + more.length];
        System.arraycopy(new Object[] {"done", true, "ok", ok, "failed", failed}, 0, pairs, 0, 6);
        System.arraycopy(more, 0, pairs, 6, more.length);
        Line.print(pairs);
    }
}
