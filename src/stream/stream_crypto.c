/* SPDX-License-Identifier: MIT
 *
 * The cryptography that there is not, as what carries packets is sealed: a
 * cipher that changes nothing, a mask of header bytes of zeros, and a handshake
 * in which both ends tell their parameters.
 *
 *     opener                                     acceptor
 *     INITIAL    length, parameters     ----->
 *                                       <-----   INITIAL    0
 *                                       <-----   HANDSHAKE  length, parameters
 *     HANDSHAKE  0                      ----->
 *
 * The length has 2 bytes, big-endian.
 *
 * The tag is the packet's number, big-endian. Of the number the header has the
 * last byte or two, and the rest is guessed; a guess that is wrong, of a packet
 * that comes late, is what a real cipher would not open. It has 16 bytes, as
 * that of a real cipher: with fewer, small packets are padded, and what is
 * padded counts as in flight though nobody acknowledges it (RFC 9002, 2).
 */
#include "stream/stream_internal.h"

#include <assert.h>

#define TAG_BYTES 16
#define IV_BYTES  12
#define LENGTH    2

static const uint8_t no_iv[IV_BYTES];
static const uint8_t hello_ack[1];
static const ngtcp2_crypto_aead_ctx no_aead;
static const ngtcp2_crypto_cipher_ctx no_cipher;

static const ngtcp2_crypto_ctx null_crypto = {
    .aead = {NULL, TAG_BYTES},
    .max_encryption = UINT64_MAX,
    .max_decryption_failure = UINT64_MAX,
};

/* ---- The cipher --------------------------------------------------------- */

/* With a vector of zeros, the nonce is the number. */
static void make_tag(uint8_t tag[TAG_BYTES], const uint8_t *nonce, size_t len)
{
    assert(len == IV_BYTES);
    memset(tag, 0, TAG_BYTES - IV_BYTES);
    memcpy(tag + TAG_BYTES - IV_BYTES, nonce, IV_BYTES);
}

static int encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                   const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain,
                   size_t len, const uint8_t *nonce, size_t noncelen,
                   const uint8_t *aad, size_t aadlen)
{
    (void)aead, (void)ctx, (void)aad, (void)aadlen;
    if (len > 0 && dest != plain)
        memmove(dest, plain, len);
    make_tag(dest + len, nonce, noncelen);
    return 0;
}

static int decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                   const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *sealed,
                   size_t len, const uint8_t *nonce, size_t noncelen,
                   const uint8_t *aad, size_t aadlen)
{
    uint8_t tag[TAG_BYTES];

    (void)aead, (void)ctx, (void)aad, (void)aadlen;
    make_tag(tag, nonce, noncelen);
    if (len < TAG_BYTES ||
        memcmp(sealed + len - TAG_BYTES, tag, TAG_BYTES) != 0)
        return NGTCP2_ERR_DECRYPT;
    if (len > TAG_BYTES && dest != sealed)
        memmove(dest, sealed, len - TAG_BYTES);
    return 0;
}

static int mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample)
{
    (void)hp, (void)ctx, (void)sample;
    memset(dest, 0, NGTCP2_HP_MASKLEN);
    return 0;
}

static int update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret,
                      ngtcp2_crypto_aead_ctx *rx_ctx, uint8_t *rx_iv,
                      ngtcp2_crypto_aead_ctx *tx_ctx, uint8_t *tx_iv,
                      const uint8_t *current_rx, const uint8_t *current_tx,
                      size_t secretlen, void *user_data)
{
    (void)conn, (void)rx_secret, (void)tx_secret, (void)current_rx;
    (void)current_tx, (void)secretlen, (void)user_data;
    *rx_ctx = *tx_ctx = no_aead;
    memset(rx_iv, 0, IV_BYTES);
    memset(tx_iv, 0, IV_BYTES);
    return 0;
}

static void forget_aead(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *ctx,
                        void *user_data)
{
    (void)conn, (void)ctx, (void)user_data;
}

static void forget_cipher(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *ctx,
                          void *user_data)
{
    (void)conn, (void)ctx, (void)user_data;
}

/* ---- Keys --------------------------------------------------------------- */

static int install_first_keys(ngtcp2_conn *q)
{
    ngtcp2_conn_set_initial_crypto_ctx(q, &null_crypto);
    ngtcp2_conn_set_crypto_ctx(q, &null_crypto);
    return ngtcp2_conn_install_initial_key(
        q, &no_aead, no_iv, &no_cipher, &no_aead, no_iv, &no_cipher, IV_BYTES);
}

/* The acceptor's comes after the opener's parameters: ngtcp2 asserts that it
 * has them when a packet of this kind comes. */
static int install_0rtt_key(ngtcp2_conn *q)
{
    ngtcp2_conn_set_0rtt_crypto_ctx(q, &null_crypto);
    return ngtcp2_conn_install_0rtt_key(q, &no_aead, no_iv, IV_BYTES,
                                        &no_cipher);
}

static int install_handshake_keys(ngtcp2_conn *q)
{
    int rv = ngtcp2_conn_install_rx_handshake_key(q, &no_aead, no_iv, IV_BYTES,
                                                  &no_cipher);

    if (rv != 0)
        return rv;
    return ngtcp2_conn_install_tx_handshake_key(q, &no_aead, no_iv, IV_BYTES,
                                                &no_cipher);
}

static int install_rx_key(ngtcp2_conn *q)
{
    return ngtcp2_conn_install_rx_key(q, NULL, 0, &no_aead, no_iv, IV_BYTES,
                                      &no_cipher);
}

static int install_tx_key(ngtcp2_conn *q)
{
    return ngtcp2_conn_install_tx_key(q, NULL, 0, &no_aead, no_iv, IV_BYTES,
                                      &no_cipher);
}

/* ---- Parameters --------------------------------------------------------- */

void crypto_params(const struct streams *s, bool opener,
                   ngtcp2_transport_params *params)
{
    (void)s;
    ngtcp2_transport_params_default(params);
    params->initial_max_data = STREAM_FIRST_CONNECTION_WINDOW;
    params->initial_max_stream_data_bidi_local = STREAM_FIRST_WINDOW;
    params->initial_max_stream_data_bidi_remote = STREAM_FIRST_WINDOW;
    params->initial_max_streams_bidi = opener ? 0 : STREAM_FIRST_STREAMS;
    params->max_udp_payload_size = STREAM_PACKET_MAX;
    params->active_connection_id_limit = STREAM_CONNECTION_IDS;
}

enum error crypto_assume_grants(struct stream_conn *c)
{
    ngtcp2_transport_params params;
    uint8_t text[STREAM_HELLO_MAX];
    ngtcp2_ssize len;
    int rv;

    crypto_params(c->streams, false, &params);
    len = ngtcp2_transport_params_encode(text, sizeof(text), &params);
    assert(len > 0);
    rv = ngtcp2_conn_decode_and_set_0rtt_transport_params(c->quic, text,
                                                          (size_t)len);
    return rv == 0 ? OK : ERR_NO_MEMORY;
}

/* ---- The handshake ------------------------------------------------------ */

static int tell_params(ngtcp2_conn *q, ngtcp2_encryption_level level)
{
    uint8_t hello[STREAM_HELLO_MAX];
    ngtcp2_ssize len = ngtcp2_conn_encode_local_transport_params(
        q, hello + LENGTH, sizeof(hello) - LENGTH);

    if (len < 0)
        return (int)len;
    bytes_put_number(hello, LENGTH, (uint64_t)len);
    return ngtcp2_conn_submit_crypto_data(q, level, hello,
                                          LENGTH + (size_t)len);
}

static int client_initial(ngtcp2_conn *q, void *user_data)
{
    int rv = install_first_keys(q);

    (void)user_data;
    if (rv == 0)
        rv = install_0rtt_key(q);
    return rv != 0 ? rv : tell_params(q, NGTCP2_ENCRYPTION_LEVEL_INITIAL);
}

static int recv_client_initial(ngtcp2_conn *q, const ngtcp2_cid *dcid,
                               void *user_data)
{
    (void)dcid, (void)user_data;
    return install_first_keys(q);
}

static int acceptor_hello(ngtcp2_conn *q)
{
    int rv = ngtcp2_conn_submit_crypto_data(q, NGTCP2_ENCRYPTION_LEVEL_INITIAL,
                                            hello_ack, sizeof(hello_ack));

    if (rv != 0 || (rv = install_0rtt_key(q)) != 0 ||
        (rv = install_handshake_keys(q)) != 0 ||
        (rv = tell_params(q, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE)) != 0)
        return rv;
    return install_tx_key(q);
}

static int opener_done(ngtcp2_conn *q)
{
    int rv = ngtcp2_conn_submit_crypto_data(
        q, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE, hello_ack, sizeof(hello_ack));

    if (rv != 0 || (rv = install_rx_key(q)) != 0 ||
        (rv = install_tx_key(q)) != 0)
        return rv;
    ngtcp2_conn_tls_handshake_completed(q);
    return 0;
}

static int acceptor_done(ngtcp2_conn *q)
{
    int rv = install_rx_key(q);

    if (rv == 0)
        ngtcp2_conn_tls_handshake_completed(q);
    return rv;
}

/* The parameters come in pieces, in order. True when they are whole: once. */
static int take_params(struct stream_conn *c, ngtcp2_conn *q,
                       const uint8_t *data, size_t len, bool *whole)
{
    size_t had = c->hello_len, want;

    if (len > sizeof(c->hello) - had)
        return NGTCP2_ERR_CRYPTO;
    memcpy(c->hello + had, data, len);
    c->hello_len += len;
    *whole = false;
    if (c->hello_len < LENGTH)
        return 0;
    want = LENGTH + (size_t)bytes_get_number(c->hello, LENGTH);
    if (c->hello_len > want)
        return NGTCP2_ERR_CRYPTO;
    *whole = c->hello_len == want;
    if (!*whole)
        return 0;
    return ngtcp2_conn_decode_and_set_remote_transport_params(
        q, c->hello + LENGTH, want - LENGTH);
}

/* What a level brings is either parameters, or a zero. */
static int take_ack(const uint8_t *data, size_t len)
{
    return len == 1 && data[0] == 0 ? 0 : NGTCP2_ERR_CRYPTO;
}

static int after_params(ngtcp2_conn *q, bool opener)
{
    return opener ? opener_done(q) : acceptor_hello(q);
}

static int recv_crypto_data(ngtcp2_conn *q, ngtcp2_encryption_level level,
                            uint64_t offset, const uint8_t *data, size_t len,
                            void *user_data)
{
    struct stream_conn *c = user_data;
    ngtcp2_encryption_level of_params = c->opener
                                            ? NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE
                                            : NGTCP2_ENCRYPTION_LEVEL_INITIAL;
    bool whole;
    int rv;

    if (level != NGTCP2_ENCRYPTION_LEVEL_INITIAL &&
        level != NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE)
        return NGTCP2_ERR_CRYPTO;
    if (level == of_params) {
        rv = take_params(c, q, data, len, &whole);
        return rv != 0 || !whole ? rv : after_params(q, c->opener);
    }
    rv = offset == 0 ? take_ack(data, len) : NGTCP2_ERR_CRYPTO;
    if (rv != 0)
        return rv;
    return c->opener ? install_handshake_keys(q) : acceptor_done(q);
}

/* There is neither Retry nor another version. */
static int recv_retry(ngtcp2_conn *q, const ngtcp2_pkt_hd *hd, void *user_data)
{
    (void)q, (void)hd;
    conn_end(user_data, STREAM_END_PROTOCOL, 0, false);
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

static int version_negotiation(ngtcp2_conn *q, uint32_t version,
                               const ngtcp2_cid *dcid, void *user_data)
{
    (void)q, (void)version, (void)dcid;
    conn_end(user_data, STREAM_END_PROTOCOL, 0, false);
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

static int handshake_completed(ngtcp2_conn *q, void *user_data)
{
    struct stream_conn *c = user_data;
    const struct stream_config *config = &c->streams->config;

    c->answered = true;
    ngtcp2_conn_extend_max_offset(q, config->connection_window -
                                         STREAM_FIRST_CONNECTION_WINDOW);
    if (!c->opener && config->max_streams > STREAM_FIRST_STREAMS)
        ngtcp2_conn_extend_max_streams_bidi(q, config->max_streams -
                                                   STREAM_FIRST_STREAMS);
    return 0;
}

void crypto_callbacks(ngtcp2_callbacks *cb)
{
    cb->client_initial = client_initial;
    cb->recv_client_initial = recv_client_initial;
    cb->recv_crypto_data = recv_crypto_data;
    cb->handshake_completed = handshake_completed;
    cb->encrypt = encrypt;
    cb->decrypt = decrypt;
    cb->hp_mask = mask;
    cb->recv_retry = recv_retry;
    cb->update_key = update_key;
    cb->delete_crypto_aead_ctx = forget_aead;
    cb->delete_crypto_cipher_ctx = forget_cipher;
    cb->version_negotiation = version_negotiation;
}
