// Commits an offset beyond the end of a topic in a transaction that also writes a record; tells what the producer heard, and
// whether the same one can abort and go on with a transaction that commits an offset that is there.
// --bootstrap-server HOST:PORT,… --topic T (one partition, records in it) --into T2 --group G --transactional-id ID
// [--set key=value]…

import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

public final class TransactionPastEnd {
    private static final long BEYOND = 1_000_000;
    private static final long GOOD = 1;

    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        Properties config = flags.config(
                "transactional.id", flags.text("--transactional-id"),
                "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        String beyond;
        String aborted;
        String good;
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(config)) {
            producer.initTransactions();
            beyond = transact(producer, flags, BEYOND);
            aborted = "none".equals(beyond) ? "none" : outcome(() -> {
                producer.abortTransaction();
                return null;
            });
            good = transact(producer, flags, GOOD);
        }
        Line.print("done", true, "beyond", beyond, "aborted", aborted, "good", good);
    }

    private static String transact(KafkaProducer<String, byte[]> producer, Line.Flags flags, long offset) {
        TopicPartition partition = new TopicPartition(flags.text("--topic"), 0);
        return outcome(() -> {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(flags.text("--into"), "k", Long.toString(offset).getBytes()));
            producer.sendOffsetsToTransaction(
                    Map.of(partition, new OffsetAndMetadata(offset)),
                    new ConsumerGroupMetadata(flags.text("--group")));
            producer.commitTransaction();
            return null;
        });
    }

    private static String outcome(Callable<?> call) {
        try {
            call.call();
            return "none";
        } catch (Exception error) {
            return Line.cause(error).getClass().getSimpleName();
        }
    }
}
