/* SPDX-License-Identifier: MIT */
#include "dht/types/magnet.h"

#include <sodium.h>

#include <string.h>

#define TOPIC_MAX  128    /* bytes of an xt that are looked at, decoded */
#define BASE32_LEN 32     /* of 20 bytes */
#define V2_HEAD    "1220" /* of a multihash: SHA2-256, 32 bytes */
#define V2_BYTES   32

/* What the topics of a link have said. */
struct topics {
    bool has[2]; /* by version, of 1 and 2 */
    struct id hash[2];
};

/* ---- Texts --------------------------------------------------------------- */

static int lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes `head` off the front, of either case; false when it is not there. */
static bool take(struct bytes *text, const char *head)
{
    size_t len = strlen(head);

    if (text->len < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(text->p[i]) != head[i])
            return false;
    }
    *text = bytes_of(text->p + len, text->len - len);
    return true;
}

/* What stands around a link that was copied. */
static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && is_space(text.p[text.len - 1]))
        text.len--;
    while (text.len > 0 && is_space(text.p[0]))
        text = bytes_of(text.p + 1, text.len - 1);
    return text;
}

/* The text before the first `end`, which both are taken off the front. */
static struct bytes take_until(struct bytes *text, char end)
{
    const uint8_t *at = text->len == 0 ? NULL : memchr(text->p, end, text->len);
    size_t len = at == NULL ? text->len : (size_t)(at - text->p);
    struct bytes part = bytes_of(text->p, len);

    *text = at == NULL ? bytes_of(NULL, 0)
                       : bytes_of(at + 1, text->len - len - 1);
    return part;
}

static bool read_hex(struct bytes hex, uint8_t *out, size_t len)
{
    size_t got;

    return hex.len == 2 * len &&
           sodium_hex2bin(out, len, (const char *)hex.p, hex.len, NULL, &got,
                          NULL) == 0 &&
           got == len;
}

/* %XX, as far as `out` has room. A % that begins none stays. */
static struct bytes decode(struct bytes in, uint8_t out[TOPIC_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < in.len && len < TOPIC_MAX; i++) {
        if (in.p[i] == '%' && i + 2 < in.len &&
            read_hex(bytes_of(in.p + i + 1, 2), &out[len], 1)) {
            len++;
            i += 2;
        } else {
            out[len++] = in.p[i];
        }
    }
    return bytes_of(out, len);
}

/* RFC 4648; 20 bytes are exactly 32 digits. */
static bool read_base32(struct bytes text, struct id *out)
{
    uint64_t bits = 0;
    struct id id;

    if (text.len != BASE32_LEN)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int c = lower(text.p[i]);

        if ((c < 'a' || c > 'z') && (c < '2' || c > '7'))
            return false;
        bits = bits << 5 | (uint64_t)(c >= 'a' ? c - 'a' : c - '2' + 26);
        if (i % 8 != 7)
            continue;
        for (size_t n = 0; n < 5; n++)
            id.b[i / 8 * 5 + n] = (uint8_t)(bits >> (32 - 8 * n));
    }
    *out = id;
    return true;
}

/* ---- Topics -------------------------------------------------------------- */

static enum error wrong(struct text *why, const char *right, struct bytes is)
{
    if (why == NULL)
        return ERR_SYNTAX;
    text_addf(why, "the magnet link is damaged: %s, not '", right);
    text_add_printable(why, is);
    text_add(why, "'");
    return ERR_SYNTAX;
}

static enum error add(struct topics *t, int version, const struct id *hash,
                      struct text *why)
{
    int i = version - 1;

    if (t->has[i] && !id_equal(&t->hash[i], hash)) {
        if (why != NULL)
            text_add(why, "the magnet link names several torrents: give one "
                          "of their hashes");
        return ERR_SYNTAX;
    }
    t->has[i] = true;
    t->hash[i] = *hash;
    return OK;
}

/* Topics of other kinds are somebody else's. */
static enum error read_topic(struct topics *t, struct bytes topic,
                             struct text *why)
{
    uint8_t v2[V2_BYTES];
    struct id hash;
    struct bytes v2_text;

    if (take(&topic, "urn:btih:")) {
        if (!read_hex(topic, hash.b, ID_BYTES) && !read_base32(topic, &hash))
            return wrong(why,
                         "xt=urn:btih: has 40 hex digits or 32 of base32 "
                         "(a-z, 2-7) after it",
                         topic);
        return add(t, 1, &hash, why);
    }
    if (!take(&topic, "urn:btmh:"))
        return OK;
    v2_text = topic;
    if (!take(&v2_text, V2_HEAD) || !read_hex(v2_text, v2, sizeof(v2)))
        return wrong(why,
                     "xt=urn:btmh: has " V2_HEAD
                     " and the 64 hex digits of a SHA2-256 hash after it",
                     topic);
    memcpy(hash.b, v2, ID_BYTES);
    return add(t, 2, &hash, why);
}

/* "xt", "xt.1" */
static bool is_topic(struct bytes name)
{
    return take(&name, "xt") && (name.len == 0 || name.p[0] == '.');
}

bool magnet_is_link(struct bytes text)
{
    text = trim(text);
    return take(&text, "magnet:");
}

enum error magnet_info_hash(struct bytes link, struct id *out, struct text *why)
{
    struct topics topics = {.has = {false, false}};
    enum error err = OK;

    link = trim(link);
    if (!take(&link, "magnet:?"))
        return wrong(why, "it begins with magnet:?", link);
    while (err == OK && link.len > 0) {
        struct bytes value = take_until(&link, '&'), name;
        uint8_t decoded[TOPIC_MAX];

        take(&value, "amp;"); /* the rest of an & of HTML */
        name = take_until(&value, '=');
        if (is_topic(name))
            err = read_topic(&topics, decode(value, decoded), why);
    }
    if (err == OK && !topics.has[0] && !topics.has[1]) {
        if (why != NULL)
            text_add(why, "the magnet link is not for a torrent: it has no "
                          "xt=urn:btih:HASH");
        err = ERR_SYNTAX;
    }
    if (err == OK)
        *out = topics.hash[topics.has[0] ? 0 : 1];
    return err;
}

enum error info_hash_parse(struct bytes text, struct id *out, struct text *why)
{
    struct id id;

    if (magnet_is_link(text))
        return magnet_info_hash(text, out, why);
    if (!read_hex(text, id.b, ID_BYTES))
        return ERR_SYNTAX;
    *out = id;
    return OK;
}
