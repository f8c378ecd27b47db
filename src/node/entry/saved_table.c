/* SPDX-License-Identifier: MIT
 *
 * Reads the tables of other programs. aria2's layout is that of its
 * DHTRoutingTableDeserializer; the keys of the others are those that
 * Transmission (tr-dht) and libtorrent (save_dht_state) write.
 */
#include "node/entry/saved_table.h"

#include "node/os/file_kind.h"
#include "wire/bencode/be_reader.h"
#include "wire/msgpack/mp_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 64
#define TOKENS_MAX 65536 /* of bencode; a session state has some thousands */

/* ---- The list ------------------------------------------------------------ */

void saved_table_deinit(struct saved_table *t)
{
    free(t->at);
    *t = (struct saved_table){.count = 0};
}

enum error saved_table_copy(const struct saved_table *from,
                            struct saved_table *to)
{
    if (from->count == 0)
        return OK;
    to->at = calloc(from->count, sizeof(*to->at));
    if (to->at == NULL)
        return ERR_NO_MEMORY;
    memcpy(to->at, from->at, from->count * sizeof(*to->at));
    to->count = to->room = from->count;
    return OK;
}

static enum error reserve(struct saved_table *t)
{
    size_t room = t->room == 0 ? FIRST_ROOM : 2 * t->room;
    struct endpoint *at;

    if (t->count < t->room)
        return OK;
    at = realloc(t->at, room * sizeof(*at));
    if (at == NULL)
        return ERR_NO_MEMORY;
    t->at = at;
    t->room = room;
    return OK;
}

/* One compact address; what nobody can be at is passed over. */
static enum error add(struct saved_table *t, const uint8_t *compact, size_t len)
{
    struct endpoint ep;

    if (endpoint_read_compact(bytes_of(compact, len), &ep) != OK ||
        !endpoint_is_usable(&ep) || t->count == SAVED_TABLE_NODES)
        return OK;
    for (size_t i = 0; i < t->count; i++)
        if (endpoint_equal(&t->at[i], &ep))
            return OK;
    if (reserve(t) != OK)
        return ERR_NO_MEMORY;
    t->at[t->count++] = ep;
    return OK;
}

/* ---- aria2 --------------------------------------------------------------- */

/* The head is magic and version 8, time 8, 8, id 20, 4, count 4, 4. */
#define ARIA2_HEAD    56
#define ARIA2_VERSION 6 /* where it stands, in 2 bytes */
#define ARIA2_COUNT   48
#define ARIA2_ENTRY   56 /* length 1, 7, address 24, id 20, 4 */
#define ARIA2_ADDRESS 8

static bool is_aria2(struct bytes file)
{
    static const uint8_t magic[] = {0xa1, 0xa2, 0x02};

    return file.len >= 8 && memcmp(file.p, magic, sizeof(magic)) == 0;
}

static enum error read_aria2(struct saved_table *t, struct bytes file,
                             struct text *why)
{
    uint64_t version = bytes_get_number(file.p + ARIA2_VERSION, 2);
    const uint8_t *at;
    uint64_t count = 0;

    if (version != 2 && version != 3) {
        text_addf(why,
                  "is a table of aria2 of version %u; those of versions 2 "
                  "and 3 can be read",
                  (unsigned)version);
        return ERR_SYNTAX;
    }
    if (file.len >= ARIA2_HEAD)
        count = bytes_get_number(file.p + ARIA2_COUNT, 4);
    if (file.len < ARIA2_HEAD ||
        count > (file.len - ARIA2_HEAD) / ARIA2_ENTRY) {
        text_add(why, "is a table of aria2 that ends too early; copy the whole "
                      "file");
        return ERR_SYNTAX;
    }
    at = file.p + ARIA2_HEAD;
    for (; count > 0; count--, at += ARIA2_ENTRY) {
        enum error err = at[0] > ENDPOINT_COMPACT_MAX
                             ? OK
                             : add(t, at + ARIA2_ADDRESS, at[0]);

        if (err != OK)
            return err;
    }
    return OK;
}

/* ---- Bencode ------------------------------------------------------------- */

struct dictionary {
    struct mp_reader nodes[FAMILIES]; /* the values of `nodes`, `nodes6` */
    struct mp_reader state;           /* of `dht state` */
    bool has_nodes[FAMILIES], has_state;
};

/* Looks through the dictionary that is next. */
static void look_through(struct mp_reader r, struct dictionary *out)
{
    uint32_t count = mp_read_map(&r, UINT32_MAX);

    *out = (struct dictionary){.has_state = false};
    for (; count > 0 && r.err == OK; count--, mp_skip(&r)) {
        struct bytes key = mp_read_bytes(&r, 0, SIZE_MAX);

        if (bytes_equal(key, bytes_of_text("nodes"))) {
            out->nodes[FAMILY_IPV4] = r;
            out->has_nodes[FAMILY_IPV4] = true;
        } else if (bytes_equal(key, bytes_of_text("nodes6"))) {
            out->nodes[FAMILY_IPV6] = r;
            out->has_nodes[FAMILY_IPV6] = true;
        } else if (bytes_equal(key, bytes_of_text("dht state"))) {
            out->state = r;
            out->has_state = mp_peek(&r) == MP_MAP;
        }
    }
}

static enum error add_string(struct saved_table *t, struct bytes all,
                             size_t each)
{
    for (size_t i = 0; i + each <= all.len; i += each) {
        enum error err = add(t, all.p + i, each);

        if (err != OK)
            return err;
    }
    return OK;
}

/* A string of addresses one after the other, or a list of strings of one each.
 * Libtorrent had both families in one list once. */
static enum error add_value(struct saved_table *t, struct mp_reader r, int f,
                            bool *wrong)
{
    size_t each = f == FAMILY_IPV4 ? 6 : 18;
    enum error err = OK;
    uint32_t count;

    if (mp_peek(&r) == MP_BIN) {
        struct bytes all = mp_read_bytes(&r, 0, SIZE_MAX);

        *wrong = *wrong || all.len % each != 0;
        return *wrong ? OK : add_string(t, all, each);
    }
    *wrong = *wrong || mp_peek(&r) != MP_ARRAY;
    if (*wrong)
        return OK;
    count = mp_read_array(&r, UINT32_MAX);
    for (; count > 0 && err == OK && r.err == OK; count--) {
        struct bytes one = mp_read_bytes(&r, 0, SIZE_MAX);

        err = add(t, one.p, one.len);
    }
    *wrong = r.err != OK;
    return err;
}

static enum error read_dictionary(struct saved_table *t,
                                  const struct mp_tape *tape, struct text *why)
{
    struct mp_reader r;
    struct dictionary d;
    enum error err = OK;
    bool wrong = false, any = false;

    mp_reader_init(&r, tape);
    look_through(r, &d);
    any = d.has_state; /* it has no keys for nodes while it knows none */
    if (d.has_state)
        look_through(d.state, &d);
    for (int f = 0; f < FAMILIES && err == OK && !wrong; f++) {
        any = any || d.has_nodes[f];
        if (d.has_nodes[f])
            err = add_value(t, d.nodes[f], f, &wrong);
    }
    if (err != OK || (any && !wrong))
        return err;
    text_add(why, wrong ? "has no compact addresses in `nodes` (6 bytes each) "
                          "or `nodes6` (18)"
                        : "is bencode, but has neither `nodes` nor `dht state` "
                          "as a saved table has");
    return ERR_SYNTAX;
}

static enum error read_bencode(struct saved_table *t, struct bytes file,
                               struct text *why)
{
    /* No token has less than two bytes but the end of a container, which is
     * none. */
    size_t cap = file.len / 2 < TOKENS_MAX ? file.len / 2 + 1 : TOKENS_MAX;
    struct mp_tape tape = {.tokens = calloc(cap, sizeof(struct mp_token)),
                           .cap = cap};
    enum error err;

    if (tape.tokens == NULL)
        return ERR_NO_MEMORY;
    err = be_parse(&tape, file);
    if (err == OK) {
        err = read_dictionary(t, &tape, why);
    } else {
        text_addf(why,
                  "begins like bencode, but is none as a whole (%s); copy the "
                  "whole file",
                  error_text(err));
        err = ERR_SYNTAX;
    }
    free(tape.tokens);
    return err;
}

/* ---- Files --------------------------------------------------------------- */

enum error saved_table_read(struct saved_table *t, struct bytes file,
                            struct text *why)
{
    size_t before = t->count;
    enum error err;

    if (is_aria2(file)) {
        err = read_aria2(t, file, why);
    } else if (file.len > 0 && file.p[0] == 'd') {
        err = read_bencode(t, file, why);
    } else {
        text_add(why, file.len == 0 ? "is empty" : "is no saved table");
        text_add(why, "; what can be read is dht.dat of Transmission or aria2 "
                      "and the session state of libtorrent");
        err = ERR_SYNTAX;
    }
    if (err != OK)
        t->count = before;
    return err;
}

/* The length, of a regular file that is not too long. */
static enum error file_length(int fd, size_t *out, struct text *why)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        text_addf(why, "cannot be read: %s", strerror(errno));
        return ERR_IO;
    }
    if (!S_ISREG(st.st_mode)) {
        text_addf(why, "is %s, not a file", file_kind(st.st_mode));
        return ERR_SYNTAX;
    }
    if (st.st_size > SAVED_TABLE_BYTES) {
        text_addf(why, "has more than %d KiB, which no saved table has",
                  SAVED_TABLE_BYTES / 1024);
        return ERR_SYNTAX;
    }
    *out = (size_t)st.st_size;
    return OK;
}

static enum error read_fd(struct saved_table *t, int fd, struct text *why)
{
    uint8_t *buf;
    size_t len = 0, got = 0;
    enum error err = file_length(fd, &len, why);
    ssize_t n;

    if (err != OK)
        return err;
    buf = malloc(len + 1);
    if (buf == NULL)
        return ERR_NO_MEMORY;
    while (got < len && (n = read(fd, buf + got, len - got)) != 0) {
        if (n > 0)
            got += (size_t)n;
        else if (errno != EINTR)
            break;
    }
    if (got < len) {
        text_addf(why, "cannot be read whole: %s",
                  errno != 0 ? strerror(errno) : "it became shorter");
        err = ERR_IO;
    } else {
        err = saved_table_read(t, bytes_of(buf, len), why);
    }
    free(buf);
    return err;
}

enum error saved_table_load(struct saved_table *t, const char *path,
                            struct text *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum error err;

    text_addf(why, "%s ", path);
    if (fd < 0) {
        text_addf(why, "cannot be opened: %s", strerror(errno));
        return ERR_IO;
    }
    errno = 0;
    err = read_fd(t, fd, why);
    if (err == ERR_NO_MEMORY)
        text_addf(why, "cannot be read: %s", error_text(err));
    close(fd);
    return err;
}

static void add_file(struct text *to, const struct text *what)
{
    text_addf(to, "%s%s",
              to->len == 0 ? "bootstrap_files in [mainline]: " : "; ",
              text_get(what));
}

enum error saved_table_load_all(struct saved_table *t,
                                const struct config_files *files,
                                struct text *unread, struct text *why)
{
    enum error err = OK;

    for (unsigned i = 0; i < files->count && err == OK; i++) {
        struct text what;

        text_init(&what, CONFIG_ERRORS_MAX);
        err = saved_table_load(t, files->at[i], &what);
        if (err == ERR_IO) {
            add_file(unread, &what);
            err = OK;
        } else if (err != OK) {
            add_file(why, &what);
        }
        text_deinit(&what);
    }
    return err;
}
