/* SPDX-License-Identifier: MIT */
#include "cli/crawl/crawl_record.h"

#include "base/timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MAGIC     "warren crawl 1"
#define MAINLINE  "warren mainline crawl 1"
#define HEX_VALUE (2 * DHT_VERSION_MAX + 1)

/* ---- Random numbers ------------------------------------------------------ */

static void fill(void *ctx, void *buf, size_t len)
{
    struct crawl_record *s = ctx;
    uint8_t seed[randombytes_SEEDBYTES];

    memcpy(seed, s->seed, sizeof(seed));
    for (size_t i = 0; i < sizeof(s->drawn); i++)
        seed[i] ^= (uint8_t)(s->drawn >> (8 * i));
    s->drawn++;
    randombytes_buf_deterministic(buf, len, seed);
}

struct random_source crawl_record_random(struct crawl_record *s)
{
    return (struct random_source){s, fill};
}

/* ---- Opening ------------------------------------------------------------- */

static enum error cannot(const struct crawl_record *s, const char *what,
                         struct text *why)
{
    text_addf(why, "%s: cannot be %s: %s; --state FILE names another place",
              s->path, what, strerror(errno));
    return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
}

/* Whoever has it open has it locked, for as long as the process lives. */
static enum error open_locked(struct crawl_record *s, int flags,
                              struct text *why)
{
    int fd = open(s->path, flags | O_CLOEXEC, 0600);
    enum error err = OK;

    if (fd < 0)
        return cannot(s, "opened", why);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        text_addf(why,
                  "%s: another crawl goes on there; --state FILE names "
                  "another place",
                  s->path);
        err = ERR_IN_USE;
    } else {
        s->file = fdopen(fd, "r+");
        if (s->file == NULL)
            err = cannot(s, "opened", why);
    }
    if (err != OK)
        close(fd);
    return err;
}

static void keep_old(const struct crawl_record *s)
{
    char old[CRAWL_PATH_SIZE + 4];

    snprintf(old, sizeof(old), "%s.old", s->path);
    rename(s->path, old);
}

enum error crawl_record_new(struct crawl_record *s, struct text *why)
{
    char seed[2 * CRAWL_SEED_BYTES + 1];
    enum error err = open_locked(s, O_RDWR | O_CREAT, why);

    if (err != OK)
        return err;
    /* The lock stays with the old one; the new one has its own. */
    if (lseek(fileno(s->file), 0, SEEK_END) > 0) {
        keep_old(s);
        fclose(s->file);
        s->file = NULL;
        err = open_locked(s, O_RDWR | O_CREAT | O_EXCL, why);
        if (err != OK)
            return err;
    }
    randombytes_buf(s->seed, sizeof(s->seed));
    sodium_bin2hex(seed, sizeof(seed), s->seed, sizeof(s->seed));
    if (s->mainline)
        fprintf(s->file, MAINLINE " %d %s\n", s->testing, seed);
    else
        fprintf(s->file, MAGIC " %s %d %s\n", s->network, s->testing, seed);
    if (fflush(s->file) != 0) {
        err = cannot(s, "written", why);
        crawl_record_close(s);
    }
    return err;
}

void crawl_record_close(struct crawl_record *s)
{
    if (s->file != NULL)
        fclose(s->file);
    s->file = NULL;
}

/* ---- Reading ------------------------------------------------------------- */

static enum error no_record(struct crawl_record *s, struct text *why)
{
    text_addf(why, "%s: this is no record of a crawl", s->path);
    crawl_record_close(s);
    return ERR_SYNTAX;
}

enum error crawl_record_open(struct crawl_record *s, struct text *why)
{
    char line[256], seed[2 * CRAWL_SEED_BYTES + 1] = "";
    enum error err = open_locked(s, O_RDWR, why);
    int testing = 0;
    size_t len;

    if (err != OK)
        return err;
    if (fgets(line, sizeof(line), s->file) == NULL)
        return no_record(s, why);
    s->mainline = sscanf(line, MAINLINE " %d %64s", &testing, seed) == 2;
    if ((!s->mainline && sscanf(line, MAGIC " %63s %d %64s", s->network,
                                &testing, seed) != 3) ||
        sodium_hex2bin(s->seed, sizeof(s->seed), seed, strlen(seed), NULL, &len,
                       NULL) != 0 ||
        len != sizeof(s->seed))
        return no_record(s, why);
    s->testing = testing != 0;
    return OK;
}

/* The words of a line, one after the other; NULL at its end. */
static char *word(char **at)
{
    return strsep(at, " ");
}

static bool read_endpoint(char *text, struct endpoint *out)
{
    return text != NULL && endpoint_parse(text, out) == OK;
}

static bool read_id(char *text, struct id *out)
{
    return text != NULL && id_parse(text, out) == OK;
}

static bool read_uint(const char *text, uint64_t *out)
{
    char *end;

    if (text == NULL || *text < '0' || *text > '9')
        return false;
    *out = strtoull(text, &end, 10);
    return *end == '\0';
}

struct line {
    struct crawl *c;
    uint64_t *last;
    char *at; /* what follows the letter */
    uint64_t now;
    struct endpoint ep;
};

static bool read_known(struct line *l)
{
    char *name = word(&l->at);
    struct id id;
    bool has_id = read_id(name, &id);

    if (name == NULL || (!has_id && strcmp(name, "-") != 0) ||
        !read_endpoint(word(&l->at), &l->ep))
        return false;
    crawl_add(l->c, has_id ? &id : NULL, &l->ep);
    return true;
}

/* The time and the address that most begin with. */
static bool read_head(struct line *l)
{
    uint64_t ms;

    if (!read_uint(word(&l->at), &ms) || ms > UINT32_MAX)
        return false;
    l->now = ms * TIME_MS;
    if (l->now > *l->last)
        *l->last = l->now;
    return true;
}

void crawl_record_name(struct dht_answer *a, struct crawl_named *names,
                       const struct id *id, const struct endpoint *ep)
{
    struct bytes *in = &a->nodes[ep->family];
    uint8_t *p = names->bytes[ep->family] + in->len;

    if (in->len + COMPACT_NODE6 > sizeof(names->bytes[0]))
        return;
    memcpy(p, id->b, ID_BYTES);
    in->p = names->bytes[ep->family];
    in->len += ID_BYTES + endpoint_write_compact(ep, p + ID_BYTES);
}

static bool read_named(char *text, struct dht_answer *a,
                       struct crawl_named *names)
{
    char *address = strchr(text, '@');
    struct endpoint ep;
    struct id id;

    if (address == NULL)
        return false;
    *address++ = '\0';
    if (!read_id(text, &id) || !read_endpoint(address, &ep))
        return false;
    crawl_record_name(a, names, &id, &ep);
    return true;
}

static bool read_answer(struct line *l)
{
    struct crawl_named names;
    uint8_t version[DHT_VERSION_MAX];
    struct dht_answer a = {.from = l->ep};
    uint64_t rtt;
    char *text;

    if (!read_id(word(&l->at), &a.id) || !read_uint(word(&l->at), &rtt))
        return false;
    a.rtt = rtt * TIME_US;
    text = word(&l->at);
    if (text == NULL)
        return false;
    a.version.p = version;
    if (strcmp(text, "-") != 0 &&
        sodium_hex2bin(version, sizeof(version), text, strlen(text), NULL,
                       &a.version.len, NULL) != 0)
        return false;
    while ((text = word(&l->at)) != NULL) {
        if (!read_named(text, &a, &names))
            return false;
    }
    crawl_answered(l->c, &l->ep, &a, l->now);
    return true;
}

enum error crawl_record_error(struct bytes code)
{
    for (int e = 1; e < ERR_END_; e++) {
        if (bytes_is_text(code, error_name((enum error)e)))
            return (enum error)e;
    }
    return ERR_IO;
}

static bool read_line(struct line *l, char letter)
{
    char *code;

    if (letter == 'k')
        return read_known(l);
    if (!read_head(l))
        return false;
    if (letter == 'e')
        return true;
    if (!read_endpoint(word(&l->at), &l->ep))
        return false;
    if (letter == 'q') {
        crawl_asked(l->c, &l->ep, l->now);
        return true;
    }
    if (letter == 'a')
        return read_answer(l);
    code = word(&l->at);
    if (letter != 'f' || code == NULL)
        return false;
    crawl_failed(l->c, &l->ep, crawl_record_error(bytes_of_text(code)), l->now);
    return true;
}

/* What a kill has left of the last line goes, so that the next one begins
 * anew. */
static enum error cut_at(struct crawl_record *s, long end, struct text *why)
{
    if (end < 0 || ftruncate(fileno(s->file), end) != 0 ||
        fseek(s->file, end, SEEK_SET) != 0)
        return cannot(s, "written", why);
    return OK;
}

enum error crawl_record_replay(struct crawl_record *s, struct crawl *c,
                               uint64_t *last, struct text *why)
{
    unsigned long number = 1;
    char *text = NULL;
    size_t cap = 0;
    long end = ftell(s->file);
    enum error err = OK;
    ssize_t len;

    *last = 0;
    while (err == OK && (len = getline(&text, &cap, s->file)) > 0 &&
           text[len - 1] == '\n') {
        struct line l = {.c = c, .last = last, .at = text + 2};

        number++;
        text[len - 1] = '\0';
        if (len < 4 || text[1] != ' ' || !read_line(&l, text[0])) {
            text_addf(why, "%s:%lu: this is no line of a crawl's record",
                      s->path, number);
            err = ERR_SYNTAX;
        }
        end = ftell(s->file);
    }
    free(text);
    return err == OK ? cut_at(s, end, why) : err;
}

/* ---- Writing ------------------------------------------------------------- */

static void flush(struct crawl_record *s)
{
    if (fflush(s->file) == 0)
        return;
    fprintf(stderr,
            "warren: %s cannot be written (%s): the crawl goes on, but cannot "
            "be resumed\n",
            s->path, strerror(errno));
    crawl_record_close(s);
}

static const char *print_id(const struct id *id, char text[ID_TEXT_SIZE])
{
    return id == NULL ? "-" : id_print(id, text);
}

void crawl_record_known(struct crawl_record *s, const struct id *id,
                        const struct endpoint *ep)
{
    char name[ID_TEXT_SIZE], address[ENDPOINT_TEXT_SIZE];

    if (s->file == NULL)
        return;
    fprintf(s->file, "k %s %s\n", print_id(id, name),
            endpoint_print(ep, address));
    flush(s);
}

void crawl_record_asked(struct crawl_record *s, uint64_t now,
                        const struct endpoint *ep)
{
    char address[ENDPOINT_TEXT_SIZE];

    if (s->file == NULL)
        return;
    fprintf(s->file, "q %" PRIu64 " %s\n", now / TIME_MS,
            endpoint_print(ep, address));
    flush(s);
}

static void write_nodes(FILE *f, struct bytes in, enum family family)
{
    char name[ID_TEXT_SIZE], address[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;
    struct id id;

    while (dht_message_next_node(&in, family, &id, &ep))
        fprintf(f, " %s@%s", id_print(&id, name), endpoint_print(&ep, address));
}

void crawl_record_answered(struct crawl_record *s, uint64_t now,
                           const struct dht_answer *a)
{
    char name[ID_TEXT_SIZE], address[ENDPOINT_TEXT_SIZE];
    char version[HEX_VALUE] = "-";

    if (s->file == NULL)
        return;
    if (a->version.len > 0)
        sodium_bin2hex(version, sizeof(version), a->version.p, a->version.len);
    fprintf(s->file, "a %" PRIu64 " %s %s %" PRIu64 " %s", now / TIME_MS,
            endpoint_print(&a->from, address), id_print(&a->id, name),
            a->rtt / TIME_US, version);
    for (int f = 0; f < FAMILIES; f++)
        write_nodes(s->file, a->nodes[f], (enum family)f);
    fputc('\n', s->file);
    flush(s);
}

void crawl_record_failed(struct crawl_record *s, uint64_t now,
                         const struct endpoint *ep, enum error why)
{
    char address[ENDPOINT_TEXT_SIZE];

    if (s->file == NULL)
        return;
    fprintf(s->file, "f %" PRIu64 " %s %s\n", now / TIME_MS,
            endpoint_print(ep, address), error_name(why));
    flush(s);
}

void crawl_record_ended(struct crawl_record *s, uint64_t now)
{
    if (s->file == NULL)
        return;
    fprintf(s->file, "e %" PRIu64 "\n", now / TIME_MS);
    flush(s);
}
