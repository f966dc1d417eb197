// The comparison with OpenSSL is a module of its own: it is the only thing here that links against a C library, and no
// part of the product.
module postern/packaging/bench/crypto

go 1.26.0

require postern v0.0.0

replace postern => ../../..
