// Kafka's own command line tools, one after another in one JVM: starting it takes longer than what most of them do.
// FILE: a line for each call, its main class and its arguments between tabs. Each finds one line at the standard input.
// One JSON line for each: with what it ended, and what it wrote to both outputs.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

public final class Tools {
    /** An error, so that tools that catch their own exceptions let it pass; some catch it all the same, and end again. */
    private static final class Ended extends Error {
    }

    /** With what a tool wanted to end first. */
    private static Integer ended;

    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        PrintStream caught = new PrintStream(written, true);
        Exit.Procedure end = (status, message) -> {
            ended = ended == null ? status : ended;
            throw new Ended();
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] call = line.split("\t");
            System.setIn(new ByteArrayInputStream("a line\n".getBytes()));
            System.setOut(caught);
            System.setErr(caught);
            int status = run(call[0], Arrays.copyOfRange(call, 1, call.length));
            System.setOut(out);
            Line.print("tool", call[0], "status", status, "wrote", written.toString());
            written.reset();
        }
        // What tools leave running does not keep this from ending.
        Runtime.getRuntime().halt(0);
    }

    private static int run(String tool, String[] args) throws Exception {
        ended = null;
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) args);
            return 0;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Ended) {
                return ended;
            }
            e.getCause().printStackTrace();
            return 1;
        }
    }
}
