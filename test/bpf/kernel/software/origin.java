import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.Executors;

/** The JDK's own server: files by GET .../f/NAME, the SHA-256 of what was sent by POST .../post. HOST PORT FILES */
class Origin {
    public static void main(String[] words) throws Exception {
        var address = new InetSocketAddress(words[0], Integer.parseInt(words[1]));
        var server = HttpServer.create(address, 4096);
        server.createContext("/", exchange -> serve(exchange, Path.of(words[2])));
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
    }

    static void serve(HttpExchange exchange, Path files) throws IOException {
        try (exchange) {
            if (exchange.getRequestMethod().equals("POST")) {
                var digest = MessageDigest.getInstance("SHA-256");
                var part = new byte[65536];
                for (int n; (n = exchange.getRequestBody().read(part)) >= 0; )
                    digest.update(part, 0, n);
                answer(exchange, HexFormat.of().formatHex(digest.digest()).getBytes());
                return;
            }
            var path = files.resolve(Path.of(exchange.getRequestURI().getPath()).getFileName());
            exchange.sendResponseHeaders(200, Files.size(path));
            Files.copy(path, exchange.getResponseBody());
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IOException(e);
        }
    }

    static void answer(HttpExchange exchange, byte[] body) throws IOException {
        exchange.sendResponseHeaders(200, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }
}
