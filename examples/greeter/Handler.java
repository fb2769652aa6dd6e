import java.util.function.Function;

/** Greets whoever is named in the request. */
public class Handler implements Function<String, String> {
    @Override
    public String apply(String name) {
        return "Hello, " + (name == null || name.isBlank() ? "world" : name.strip()) + "!";
    }
}
