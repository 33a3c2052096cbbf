import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** The JDK's HttpClient: `default`, which offers h2c with each request, or `HTTP_1_1`. See clients.ts. */
class Client {
    static HttpClient client;

    public static void main(String[] words) throws Exception {
        var builder = HttpClient.newBuilder();
        if (!words[0].equals("default")) builder.version(HttpClient.Version.valueOf(words[0]));
        client = builder.build();
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String said;
            try {
                var part = line.split(" ");
                said = part[0].equals("WS") ? echo(part[1], part[3]) : exchange(part);
            } catch (Exception e) {
                said = e.toString();
            }
            System.out.println(said.replace('\n', ' '));
        }
        System.exit(0);
    }

    static String exchange(String[] part) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(part[1])).timeout(Duration.ofMinutes(10));
        if (!part[2].equals("0")) request.header("X-Pad", "p".repeat(Integer.parseInt(part[2])));
        if (part[0].equals("POST")) request.POST(HttpRequest.BodyPublishers.ofFile(Path.of(part[3])));
        var response = client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        var digest = MessageDigest.getInstance("SHA-256");
        var text = new StringBuilder();
        try (var body = response.body()) {
            var bytes = new byte[65536];
            for (int n; (n = body.read(bytes)) >= 0; ) {
                digest.update(bytes, 0, n);
                if (text.length() < 64) text.append(new String(bytes, 0, Math.min(n, 64)));
            }
        }
        var found = part[0].equals("GET") ? HexFormat.of().formatHex(digest.digest()) : text.toString();
        return response.statusCode() == 200 && found.equals(part[4]) ? "ok" : response.statusCode() + " " + text;
    }

    static String echo(String url, String text) throws Exception {
        var heard = new CompletableFuture<String>();
        var socket = client.newWebSocketBuilder().buildAsync(URI.create(url), new WebSocket.Listener() {
            private final StringBuilder parts = new StringBuilder();

            @Override
            public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
                parts.append(data);
                if (last) heard.complete(parts.toString());
                from.request(1);
                return null;
            }

            @Override
            public void onError(WebSocket from, Throwable error) {
                heard.completeExceptionally(error);
            }
        }).get(10, TimeUnit.SECONDS);
        socket.sendText(text, true);
        var back = heard.get(10, TimeUnit.SECONDS);
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(10, TimeUnit.SECONDS);
        return back.equals(text) ? "ok" : back;
    }
}
