// What a program with OpenSSL does best for ESP: contexts are made once for a key, and a packet costs an IV, the cipher
// and the MAC. All packets of a batch lie in one arena, stride octets apart:
//
//	SPI 4 | sequence number 4 | IV | encrypted | ICV
//
// The IV stands there already.
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/provider.h>
#include <string.h>

typedef struct {
	EVP_CIPHER_CTX *seal, *open;
	HMAC_CTX *mac; // NULL with an AEAD
	unsigned iv, icv;
	unsigned char salt[4];
} ossl;

// ossl_ready loads what has single DES besides the usual algorithms; 0 says it can't.
static int ossl_ready(void) {
	return OSSL_PROVIDER_load(NULL, "default") && OSSL_PROVIDER_load(NULL, "legacy");
}

// ossl_new makes contexts; salt stands behind the key of an AEAD. NULL: OpenSSL has no such algorithm.
static ossl *ossl_new(const char *cipher, const unsigned char *key, int keylen, const char *md, const unsigned char *mackey,
	int mackeylen, unsigned iv, unsigned icv) {
	ossl *s = OPENSSL_zalloc(sizeof *s);
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, cipher, NULL);
	if (!c) return NULL;
	s->seal = EVP_CIPHER_CTX_new();
	s->open = EVP_CIPHER_CTX_new();
	s->iv = iv;
	s->icv = icv;
	if (!EVP_EncryptInit_ex(s->seal, c, NULL, key, NULL) || !EVP_DecryptInit_ex(s->open, c, NULL, key, NULL)) return NULL;
	EVP_CIPHER_CTX_set_padding(s->seal, 0);
	EVP_CIPHER_CTX_set_padding(s->open, 0);
	if (*md) {
		EVP_MD *m = EVP_MD_fetch(NULL, md, NULL);
		s->mac = HMAC_CTX_new();
		if (!m || !HMAC_Init_ex(s->mac, mackey, mackeylen, m, NULL)) return NULL;
	} else {
		memcpy(s->salt, key + keylen, 4);
	}
	return s;
}

static int ossl_mac(ossl *s, const unsigned char *data, size_t n, unsigned char *sum) {
	return HMAC_Init_ex(s->mac, NULL, 0, NULL, NULL) && HMAC_Update(s->mac, data, n) && HMAC_Final(s->mac, sum, NULL);
}

static void ossl_header(unsigned char *p, unsigned spi, unsigned sequence) {
	p[0] = spi >> 24, p[1] = spi >> 16, p[2] = spi >> 8, p[3] = spi;
	p[4] = sequence >> 24, p[5] = sequence >> 16, p[6] = sequence >> 8, p[7] = sequence;
}

// ossl_seal seals n packets whose encrypted part, with a trailer and no padding, has size octets.
static int ossl_seal(ossl *s, unsigned char *arena, size_t stride, int n, int size, unsigned spi, unsigned sequence) {
	for (int i = 0; i < n; i++) {
		unsigned char *p = arena + i * stride, *body = p + 8 + s->iv, sum[EVP_MAX_MD_SIZE], nonce[12];
		int len;
		ossl_header(p, spi, sequence + i);
		body[size - 2] = 0, body[size - 1] = 4;
		if (s->mac) {
			if (!EVP_EncryptInit_ex(s->seal, NULL, NULL, NULL, p + 8) || !EVP_EncryptUpdate(s->seal, body, &len, body, size) ||
				!ossl_mac(s, p, 8 + s->iv + size, sum))
				return 0;
			memcpy(body + size, sum, s->icv);
			continue;
		}
		memcpy(nonce, s->salt, 4), memcpy(nonce + 4, p + 8, 8);
		if (!EVP_EncryptInit_ex(s->seal, NULL, NULL, NULL, nonce) || !EVP_EncryptUpdate(s->seal, NULL, &len, p, 8) ||
			!EVP_EncryptUpdate(s->seal, body, &len, body, size) || !EVP_EncryptFinal_ex(s->seal, body + size, &len) ||
			!EVP_CIPHER_CTX_ctrl(s->seal, EVP_CTRL_AEAD_GET_TAG, s->icv, body + size))
			return 0;
	}
	return 1;
}

// ossl_open verifies and decrypts n packets in place; 0: one isn't authentic.
static int ossl_open(ossl *s, unsigned char *arena, size_t stride, int n, int size) {
	for (int i = 0; i < n; i++) {
		unsigned char *p = arena + i * stride, *body = p + 8 + s->iv, sum[EVP_MAX_MD_SIZE], nonce[12];
		int len;
		if (s->mac) {
			if (!ossl_mac(s, p, 8 + s->iv + size, sum) || CRYPTO_memcmp(sum, body + size, s->icv) ||
				!EVP_DecryptInit_ex(s->open, NULL, NULL, NULL, p + 8) || !EVP_DecryptUpdate(s->open, body, &len, body, size))
				return 0;
			continue;
		}
		memcpy(nonce, s->salt, 4), memcpy(nonce + 4, p + 8, 8);
		if (!EVP_DecryptInit_ex(s->open, NULL, NULL, NULL, nonce) || !EVP_DecryptUpdate(s->open, NULL, &len, p, 8) ||
			!EVP_DecryptUpdate(s->open, body, &len, body, size) ||
			!EVP_CIPHER_CTX_ctrl(s->open, EVP_CTRL_AEAD_SET_TAG, s->icv, body + size) ||
			EVP_DecryptFinal_ex(s->open, body + size, &len) <= 0)
			return 0;
	}
	return 1;
}

// ossl_macs computes the MAC of n messages of size octets each, and puts icv octets of it behind each.
static int ossl_macs(ossl *s, unsigned char *arena, size_t stride, int n, int size) {
	for (int i = 0; i < n; i++) {
		unsigned char sum[EVP_MAX_MD_SIZE];
		if (!ossl_mac(s, arena + i * stride, size, sum)) return 0;
		memcpy(arena + i * stride + size, sum, s->icv);
	}
	return 1;
}

// ossl_cbc encrypts or decrypts n messages of size octets each, behind their IVs.
static int ossl_cbc(ossl *s, int encrypt, unsigned char *arena, size_t stride, int n, int size) {
	EVP_CIPHER_CTX *c = encrypt ? s->seal : s->open;
	for (int i = 0; i < n; i++) {
		unsigned char *iv = arena + i * stride, *body = iv + s->iv;
		int len;
		if (!EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, -1) || !EVP_CipherUpdate(c, body, &len, body, size)) return 0;
	}
	return 1;
}
