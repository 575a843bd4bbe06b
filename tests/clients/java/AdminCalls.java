// The admin calls whose answers name brokers or topics, one JSON line each: what a tool or an operator sees.
// --bootstrap-server HOST:PORT,… --topic T (created here, deleted at the end) [--set key=value]…

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

public final class AdminCalls {
    private static int failed;

    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        String topic = flags.text("--topic");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        TopicPartition first = new TopicPartition(topic, 0);
        try (Admin admin = Admin.create(flags.config("request.timeout.ms", "10000", "default.api.timeout.ms", "30000"))) {
            call("describeCluster", () -> {
                DescribeClusterResult cluster = admin.describeCluster();
                return cluster.clusterId().get() + " " + addresses(cluster.nodes().get());
            });
            call("createTopics", () -> admin.createTopics(List.of(new NewTopic(topic, 2, (short) 3))).all().get());
            // A broker that has not heard of the topic yet answers that there is none.
            call("describeTopics", () -> {
                for (int attempt = 0; ; attempt++) {
                    try {
                        TopicDescription told = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
                        return told.partitions().stream()
                                .map(p -> p.partition() + ":" + p.replicas().size() + ":" + p.isr().size() + " "
                                        + addresses(p.replicas()))
                                .collect(Collectors.joining(" "));
                    } catch (java.util.concurrent.ExecutionException e) {
                        if (attempt == 20) {
                            throw e;
                        }
                        Thread.sleep(200);
                    }
                }
            });
            call("incrementalAlterConfigs", () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
                    new AlterConfigOp(new ConfigEntry("max.message.bytes", "100000"), AlterConfigOp.OpType.SET)))).all().get());
            call("describeConfigs", () -> {
                for (int attempt = 0; ; attempt++) {
                    String value = admin.describeConfigs(List.of(resource)).all().get().get(resource)
                            .get("max.message.bytes").value();
                    if (value.equals("100000") || attempt == 20) {
                        return value;
                    }
                    Thread.sleep(200);
                }
            });
            call("createPartitions", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get());
            call("listOffsets", () -> admin.listOffsets(Map.of(first, OffsetSpec.latest())).all().get().get(first).offset());
            call("listTopics", () -> admin.listTopics().names().get().contains(topic));
            call("listConsumerGroups", () -> admin.listConsumerGroups().all().get().size() >= 0);
            call("describeLogDirs", () -> admin.describeLogDirs(List.of(1, 2, 3)).allDescriptions().get().keySet().stream()
                    .sorted().collect(Collectors.toList()));
            call("describeMetadataQuorum", () -> admin.describeMetadataQuorum().quorumInfo().get().voters().stream()
                    .map(voter -> voter.replicaId()).sorted().collect(Collectors.toList()));
            call("describeFeatures", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().keySet()
                    .stream().sorted().collect(Collectors.toList()));
            call("listTransactions", () -> admin.listTransactions().all().get().size() >= 0);
            call("deleteTopics", () -> admin.deleteTopics(List.of(topic)).all().get());
        }
        Line.print("done", true, "failed", failed);
    }

    private static void call(String name, Callable<Object> body) {
        try {
            Line.print("call", name, "result", String.valueOf(body.call()));
        } catch (Exception e) {
            failed++;
            Throwable cause = Line.cause(e);
            Line.print("call", name, "error", cause.getClass().getSimpleName(), "message", cause.getMessage());
        }
    }

    private static String addresses(Collection<Node> nodes) {
        return nodes.stream().sorted(Comparator.comparingInt(Node::id))
                .map(node -> node.id() + "@" + node.host() + ":" + node.port()).collect(Collectors.joining(","));
    }
}
