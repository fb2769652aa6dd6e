namespace Converter;

/// Converts degrees Celsius to Fahrenheit.
public class Handler
{
    public double FunctionHandler(double celsius) => celsius * 9 / 5 + 32;
}
