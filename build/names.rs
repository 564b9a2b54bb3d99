//! Kafka's CamelCase names as Rust's snake_case.

/// `ApiVersionsRequest` becomes `api_versions_request`.
pub fn snake_case(camel: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in camel.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
