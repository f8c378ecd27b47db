/* SPDX-License-Identifier: MIT
 *
 * Items of BEP 44. They are signed here: the secret key stays in this
 * process, the daemon gets the signature.
 */
#include "cli/ask/talk.h"
#include "cli/show/json.h"
#include "cli/show/say.h"
#include "cli/show/screen.h"
#include "cli/show/trace.h"
#include "cli/verb/verb_published.h"
#include "cli/verb/verbs.h"
#include "dht/types/dht_item.h"
#include "node/control/reply.h"
#include "node/os/secret.h"
#include "wire/item/value.h"
#include "wire/krpc/dht_message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define WHY_LIMIT         4096
#define VALUE_LIMIT       (64 * 1024)
#define VERSION_LINE_SIZE 256

static const struct cli_option put_options[] = {
    CLI_MAINLINE,
    {"--file", "FILE", "store what is in this file in the place of VALUE"},
    {"--key", "FILE", "sign with this key: the item can be changed later"},
    {"--salt", "S", "one of many items of this key, at most 64 bytes"},
    {"--seq", "N", "version (one more than the last that is found)"},
    {"--cas", "N", "only if the version that is stored is N"},
    CLI_TRACE,
    {0}};
static const struct cli_option get_options[] = {
    CLI_MAINLINE,
    {"--salt", "S", "the salt that it was put with"},
    CLI_TRACE,
    {0}};

/* ---- put --------------------------------------------------------------- */

struct put {
    struct cli *cli;
    struct value value;
    struct dht_item item;
    struct id target;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint64_t seq, cas;
    bool has_seq, has_cas;
};

static enum exit_code too_long(void)
{
    return cli_fail(EXIT_USAGE,
                    "VALUE is too long: an item holds %d bytes, with 4 of them "
                    "for the length of a long text",
                    VALUE_BENCODED_MAX);
}

static bool read_salt(const struct cli *cli, struct bytes *out)
{
    const char *salt = cli_value(cli, "--salt");

    *out = bytes_of(NULL, 0);
    if (salt == NULL)
        return true;
    *out = bytes_of_text(salt);
    if (out->len <= DHT_SALT_MAX)
        return true;
    cli_fail(EXIT_USAGE, "--salt must be at most %d bytes, not %zu",
             DHT_SALT_MAX, out->len);
    return false;
}

static bool read_version(const struct cli *cli, const char *flag,
                         uint64_t *number, bool *has)
{
    const char *text = cli_value(cli, flag);

    *has = text != NULL;
    return text == NULL || cli_read_number(flag, text, 0, INT64_MAX, number);
}

/* A secret key is a seed and the public key that is made of it. With another
 * public key, signatures would give the secret away. */
static bool halves_fit(const uint8_t secret[crypto_sign_SECRETKEYBYTES])
{
    uint8_t public[crypto_sign_PUBLICKEYBYTES];
    uint8_t made[crypto_sign_SECRETKEYBYTES];
    bool fit;

    crypto_sign_seed_keypair(public, made, secret);
    fit = sodium_memcmp(made, secret, sizeof(made)) == 0;
    sodium_memzero(made, sizeof(made));
    return fit;
}

static enum exit_code read_key(struct put *p, const char *file)
{
    struct text why;
    enum exit_code code = EXIT_DONE;

    text_init(&why, WHY_LIMIT);
    if (secret_read(AT_FDCWD, file, p->secret, sizeof(p->secret), &why) != OK)
        code = cli_fail(EXIT_TROUBLE, "%s", text_get(&why));
    else if (!halves_fit(p->secret))
        code = cli_fail(EXIT_TROUBLE,
                        "%s is damaged: its halves do not belong together; "
                        "restore it from a backup, or make a new key with "
                        "'warren dht key new FILE'",
                        file);
    text_deinit(&why);
    crypto_sign_ed25519_sk_to_pk(p->item.key, p->secret);
    return code;
}

/* A byte more than an item can hold shows that it is too long. */
static enum exit_code read_stream(FILE *from, const char *name,
                                  struct value *out)
{
    uint8_t buf[VALUE_BENCODED_MAX + 1];
    size_t len = fread(buf, 1, sizeof(buf), from);

    if (ferror(from))
        return cli_fail(EXIT_TROUBLE, "cannot read %s: %s", name,
                        strerror(errno));
    if (value_from_bytes(bytes_of(buf, len), out) != OK)
        return too_long();
    return EXIT_DONE;
}

static enum exit_code read_file(const char *name, struct value *out)
{
    FILE *from = fopen(name, "rb");
    enum exit_code code;

    if (from == NULL)
        return cli_fail(EXIT_TROUBLE, "cannot read %s: %s", name,
                        strerror(errno));
    code = read_stream(from, name, out);
    fclose(from);
    return code;
}

/* The bytes as they are: the last newline too. */
static enum exit_code read_value(const struct cli *cli, struct value *out)
{
    const char *file = cli_value(cli, "--file");
    const char *text = cli->args[0];

    if (file != NULL && text != NULL)
        return cli_fail(EXIT_USAGE,
                        "there are two values: that of --file, and "
                        "'%.40s'",
                        text);
    if (file != NULL)
        return read_file(file, out);
    if (text == NULL)
        return cli_fail(EXIT_USAGE,
                        "'warren dht put' needs a value: VALUE, or - for the "
                        "standard input, or --file FILE");
    if (strcmp(text, "-") == 0)
        return read_stream(stdin, "the standard input", out);
    return value_from_bytes(bytes_of_text(text), out) == OK ? EXIT_DONE
                                                            : too_long();
}

static enum exit_code read_put(struct put *p)
{
    struct cli *cli = p->cli;
    const char *file = cli_value(cli, "--key");
    enum exit_code code = read_value(cli, &p->value);

    if (code != EXIT_DONE)
        return code;
    if (!read_salt(cli, &p->item.salt) ||
        !read_version(cli, "--seq", &p->seq, &p->has_seq) ||
        !read_version(cli, "--cas", &p->cas, &p->has_cas))
        return EXIT_USAGE;
    if (file == NULL && (p->item.salt.len > 0 || p->has_seq || p->has_cas))
        return cli_fail(EXIT_USAGE, "--salt, --seq and --cas need --key FILE: "
                                    "an item without a key cannot change");
    p->item.value = &p->value;
    if (file != NULL) {
        p->item.mutable_item = true;
        code = read_key(p, file);
    }
    dht_item_target(&p->item, &p->target);
    return code;
}

static void write_target_and_salt(struct mp_writer *w, const struct put *p)
{
    char id[ID_TEXT_SIZE];

    mp_write_text(w, "target");
    mp_write_text(w, id_print(&p->target, id));
    mp_write_text(w, "salt");
    mp_write_bin(w, p->item.salt);
}

/* One more than the highest version that anybody has seen; 1 for the first. */
static enum exit_code find_seq(struct put *p, struct cli_talk *t)
{
    struct mp_writer *w = cli_talk_dht_params(t, 2, false);
    struct mp_reader item;
    enum exit_code code;
    uint64_t seen, own;

    write_target_and_salt(w, p);
    code = cli_talk_call(t, "dht.get");
    if (code != EXIT_DONE)
        return code;
    seen = reply_find(t->answer.value, "item", &item) ? reply_uint(item, "seq")
                                                      : 0;
    own = reply_uint(t->answer.value, "own_seq");
    p->seq = seen > own ? seen : own;
    if (p->seq < INT64_MAX)
        p->seq++;
    return EXIT_DONE;
}

static void write_hex(struct mp_writer *w, const char *key, const uint8_t *b,
                      size_t len)
{
    char hex[2 * crypto_sign_BYTES + 1];

    mp_write_text(w, key);
    mp_write_text(w, sodium_bin2hex(hex, sizeof(hex), b, len));
}

static enum exit_code send_put(struct put *p, struct cli_talk *t)
{
    uint32_t pairs = p->item.mutable_item ? 5 : 1;
    struct mp_writer *w =
        cli_talk_dht_params(t, pairs + (p->has_cas ? 1 : 0), true);

    mp_write_text(w, "value");
    mp_write_raw(w, value_bytes(&p->value));
    if (p->item.mutable_item) {
        p->item.seq = (int64_t)p->seq;
        dht_item_sign(&p->item, p->secret);
        write_hex(w, "key", p->item.key, sizeof(p->item.key));
        write_hex(w, "signature", p->item.signature, sizeof(p->item.signature));
        mp_write_text(w, "seq");
        mp_write_uint(w, p->seq);
        mp_write_text(w, "salt");
        mp_write_bin(w, p->item.salt);
    }
    if (p->has_cas) {
        mp_write_text(w, "cas");
        mp_write_uint(w, p->cas);
    }
    if (t->trace && !p->cli->json)
        trace_print_head();
    return cli_talk_call(t, "dht.put");
}

static enum exit_code print_put(const struct put *p, const struct cli_talk *t)
{
    struct mp_reader answer = t->answer.value;
    uint64_t stored = reply_uint(answer, "stored");
    char nodes[TEXT_COUNT_SIZE];

    if (!cli_talk_json(t)) {
        cli_talk_end_trace(t);
        puts(reply_text(answer, "target"));
        fprintf(stderr, "stored on %s", text_count(stored, "node", nodes));
        if (p->item.mutable_item)
            fprintf(stderr, " as version %" PRIu64, p->seq);
        fputc('\n', stderr);
    }
    return stored > 0 ? cli_published_code(t) : EXIT_REFUSED;
}

static enum exit_code put_connected(struct put *p)
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, p->cli, "storing");

    if (code != EXIT_DONE)
        return code;
    if (p->item.mutable_item && !p->has_seq)
        code = find_seq(p, &t);
    if (code == EXIT_DONE)
        code = send_put(p, &t);
    if (code == EXIT_DONE)
        code = print_put(p, &t);
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code put(struct cli *cli)
{
    struct put p = {.cli = cli};
    enum exit_code code = read_put(&p);

    if (code == EXIT_DONE)
        code = put_connected(&p);
    sodium_memzero(p.secret, sizeof(p.secret));
    return code;
}

/* ---- get --------------------------------------------------------------- */

static void add_marked_hex(struct text *out, struct bytes b)
{
    text_add(out, "bytes: ");
    json_add_hex(out, b);
}

/* Text as it is, lists and dictionaries as JSON, and other bytes, which could
 * do to a terminal what they like, as hex that is marked as such. */
static void print_value(struct mp_reader value)
{
    struct text out;

    text_init(&out, VALUE_LIMIT);
    if (mp_peek(&value) == MP_BIN || mp_peek(&value) == MP_STR) {
        struct bytes b = mp_read_bytes(&value, 0, SIZE_MAX);

        if (text_is_plain(b))
            text_add_bytes(&out, b);
        else
            add_marked_hex(&out, b);
    } else {
        json_add(&out, &value);
    }
    puts(text_get(&out));
    text_deinit(&out);
}

/* A value that is no msgpack. */
static void print_bencoded(struct bytes b)
{
    struct text out;

    text_init(&out, VALUE_LIMIT);
    text_add(&out, "bencoded: ");
    if (text_is_plain(b))
        text_add_bytes(&out, b);
    else
        add_marked_hex(&out, b);
    puts(text_get(&out));
    text_deinit(&out);
}

static void print_version(struct mp_reader item)
{
    char line[VERSION_LINE_SIZE];

    snprintf(line, sizeof(line),
             "version %" PRIu64 ", found by hop %" PRIu64 ", of key %s",
             reply_uint(item, "seq"), reply_uint(item, "hop"),
             reply_text(item, "key"));
    screen_fold(stderr, 0, "", line);
}

static enum exit_code print_item(const struct cli_talk *t)
{
    struct mp_reader answer = t->answer.value;
    struct mp_reader item, value;
    char asked[TEXT_COUNT_SIZE];
    bool found = reply_find(answer, "item", &item);

    if (cli_talk_json(t))
        return found ? EXIT_DONE : EXIT_NEGATIVE;
    cli_talk_end_trace(t);
    if (!found)
        return cli_fail(EXIT_NEGATIVE,
                        "nobody has an item under this target (%" PRIu64
                        " of %s asked answered)",
                        reply_uint(answer, "answered"),
                        text_count(reply_uint(answer, "asked"), "node", asked));
    if (reply_find(item, "value", &value))
        print_value(value);
    else
        print_bencoded(reply_bytes(item, "bencoded"));
    if (reply_bool(item, "mutable"))
        print_version(item);
    return EXIT_DONE;
}

static enum exit_code get(struct cli *cli)
{
    struct put p = {.cli = cli};
    struct cli_talk t;
    enum exit_code code;

    if (!cli_read_id("TARGET", cli->args[0], &p.target) ||
        !read_salt(cli, &p.item.salt))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "looking for the item");
    if (code != EXIT_DONE)
        return code;
    write_target_and_salt(cli_talk_dht_params(&t, 2, true), &p);
    if (t.trace && !cli->json)
        trace_print_head();
    code = cli_talk_call(&t, "dht.get");
    if (code == EXIT_DONE)
        code = print_item(&t);
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_item_verbs[] = {
    {"dht put", "[VALUE]", 1,
     "store a value (-: what is read), print its target", put_options, true,
     false, put},
    {"dht get", "TARGET", 1, "fetch a value", get_options, true, false, get},
    {0}};
