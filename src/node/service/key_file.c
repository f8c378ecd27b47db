/* SPDX-License-Identifier: MIT
 *
 * First the line of text and what it is made from; then the file around it,
 * which node/os/secret.h reads and writes.
 */
#include "node/service/key_file.h"

#include "node/os/secret.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER     "services"
#define ENDING     ".key"
#define MAGIC      "warren-service-"
#define VERSION    "1."
#define CHECKSUM   16 /* what libsodium makes at least */
#define SUM_SENT   8
#define BODY_MAX   (64 + SERVICE_STRING_MAX + SERVICE_ACCESS_MAX * 72)
#define LINE_BYTES (sizeof(MAGIC VERSION) + 2 * (BODY_MAX + SUM_SENT) + 1)
#define TOKENS     (8 + 3 * SERVICE_ACCESS_MAX)

_Static_assert(LINE_BYTES <= SECRET_MAX, "a key file must fit");

/* ---- Names -------------------------------------------------------------- */

enum error service_name_check(const char *name, struct text *why)
{
    size_t len = strlen(name);
    bool fine = len > 0 && len < SERVICE_NAME_SIZE;

    for (size_t i = 0; fine && i < len; i++)
        fine = isalnum((unsigned char)name[i]) ||
               (i > 0 && strchr("-_.", name[i]) != NULL);
    if (fine)
        return OK;
    text_add(why, "'");
    text_add_printable(why, bytes_of(name, len < 80 ? len : 80));
    text_addf(why,
              "' cannot be a name: 1 to %d letters, digits, '-', '_' and '.', "
              "beginning with a letter or a digit",
              SERVICE_NAME_SIZE - 1);
    return ERR_SYNTAX;
}

/* ---- The line ----------------------------------------------------------- */

void key_file_make(struct key_file *key, struct bytes string)
{
    assert(string.len <= sizeof(key->string));
    *key = (struct key_file){.string_len = (uint8_t)string.len};
    randombytes_buf(key->secret, sizeof(key->secret));
    if (string.len > 0)
        memcpy(key->string, string.p, string.len);
}

void key_file_wipe(struct key_file *key)
{
    sodium_memzero(key, sizeof(*key));
}

static void checksum(struct bytes body, uint8_t sum[CHECKSUM])
{
    static const char purpose[] = "warren service file";

    crypto_generichash(sum, CHECKSUM, body.p, body.len,
                       (const uint8_t *)purpose, sizeof(purpose) - 1);
}

static void write_body(const struct key_file *key, struct mp_writer *w)
{
    mp_write_array(w, 4);
    mp_write_bin(w, bytes_of(key->secret, sizeof(key->secret)));
    if (key->string_len > 0)
        mp_write_bin(w, bytes_of(key->string, key->string_len));
    else
        mp_write_nil(w);
    mp_write_array(w, key->access_count);
    for (unsigned i = 0; i < key->access_count; i++) {
        mp_write_array(w, 2);
        mp_write_text(w, key->access[i].label);
        mp_write_bin(w, bytes_of(key->access[i].secret, 32));
    }
    mp_write_bool(w, key->by_itself);
}

void key_file_export(const struct key_file *key, struct text *out)
{
    uint8_t body[BODY_MAX + CHECKSUM];
    char hex[2 * (BODY_MAX + SUM_SENT) + 1];
    struct mp_writer w;

    mp_writer_init(&w, body, BODY_MAX);
    write_body(key, &w);
    assert(w.err == OK);
    checksum(mp_writer_bytes(&w), body + w.len);
    sodium_bin2hex(hex, sizeof(hex), body, w.len + SUM_SENT);
    text_add(out, MAGIC VERSION);
    text_add(out, hex);
    sodium_memzero(body, sizeof(body));
    sodium_memzero(hex, sizeof(hex));
}

static void read_access(struct mp_reader *r, struct key_file *key)
{
    struct key_access *a = &key->access[key->access_count];
    struct bytes label;
    struct text ignored;

    if (mp_read_array(r, 2) != 2)
        mp_fail(r, ERR_WRONG_LENGTH);
    label = mp_read_bytes(r, 1, SERVICE_NAME_SIZE - 1);
    if (label.len > 0)
        memcpy(a->label, label.p, label.len);
    mp_read_fixed(r, a->secret, sizeof(a->secret));
    text_init(&ignored, 0);
    if (service_name_check(a->label, &ignored) != OK)
        mp_fail(r, ERR_SYNTAX);
    text_deinit(&ignored);
    key->access_count++;
}

static bool read_body(struct bytes body, struct key_file *key)
{
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};
    struct mp_reader r;
    struct bytes string = bytes_of(NULL, 0);
    uint32_t count;

    *key = (struct key_file){.string_len = 0};
    mp_reader_parse(&r, &tape, body);
    if (mp_read_array(&r, 4) != 4)
        mp_fail(&r, ERR_WRONG_LENGTH);
    mp_read_fixed(&r, key->secret, sizeof(key->secret));
    if (mp_peek(&r) == MP_NIL)
        mp_read_nil(&r);
    else
        string = mp_read_bytes(&r, 1, SERVICE_STRING_MAX);
    if (string.len > 0)
        memcpy(key->string, string.p, string.len);
    key->string_len = (uint8_t)string.len;
    count = mp_read_array(&r, SERVICE_ACCESS_MAX);
    while (count-- > 0 && r.err == OK)
        read_access(&r, key);
    key->by_itself = mp_read_bool(&r);
    sodium_memzero(tokens, sizeof(tokens));
    return r.err == OK;
}

/* Hex digits behind the version, as bytes; 0 when they are none. */
static size_t read_hex(struct bytes text, uint8_t *out, size_t cap)
{
    const char *end = NULL;
    size_t len = 0;

    if (sodium_hex2bin(out, cap, (const char *)text.p, text.len, NULL, &len,
                       &end) != 0 ||
        end != (const char *)text.p + text.len)
        return 0;
    return len;
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && isspace(text.p[0]))
        text = bytes_of(text.p + 1, text.len - 1);
    while (text.len > 0 && isspace(text.p[text.len - 1]))
        text.len--;
    return text;
}

static bool cut_prefix(struct bytes *text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (text->len < len || memcmp(text->p, prefix, len) != 0)
        return false;
    *text = bytes_of(text->p + len, text->len - len);
    return true;
}

enum error key_file_import(struct bytes text, struct key_file *out,
                           struct text *why)
{
    uint8_t all[BODY_MAX + SUM_SENT], sum[CHECKSUM];
    struct key_file key;
    enum error err = ERR_CORRUPT;
    size_t len;

    text = trim(text);
    if (!cut_prefix(&text, MAGIC)) {
        text_add(why, "no key of a service: one begins with \"" MAGIC "\"");
        return ERR_CORRUPT;
    }
    if (!cut_prefix(&text, VERSION)) {
        text_add(why, "a key of a service of another version of warren");
        return ERR_UNSUPPORTED;
    }
    len = read_hex(text, all, sizeof(all));
    if (len > SUM_SENT) {
        checksum(bytes_of(all, len - SUM_SENT), sum);
        if (sodium_memcmp(sum, all + len - SUM_SENT, SUM_SENT) == 0 &&
            read_body(bytes_of(all, len - SUM_SENT), &key)) {
            *out = key;
            err = OK;
        }
        key_file_wipe(&key);
    }
    if (err != OK)
        text_add(why, "the key is not whole, or was changed: its checksum is "
                      "wrong");
    sodium_memzero(all, sizeof(all));
    return err;
}

/* ---- The file ----------------------------------------------------------- */

static enum error path_of(const char *data_dir, const char *name,
                          char out[SECRET_NAME_MAX], struct text *why)
{
    enum error err = service_name_check(name, why);
    int n;

    if (err != OK)
        return err;
    n = snprintf(out, SECRET_NAME_MAX, "%s/" FOLDER "/%s" ENDING, data_dir,
                 name);
    if (n > 0 && n < SECRET_NAME_MAX)
        return OK;
    text_addf(why, "the path of the key of %s is too long", name);
    return ERR_TOO_LARGE;
}

static enum error make_folder(const char *data_dir, struct text *why)
{
    char path[SECRET_NAME_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/" FOLDER, data_dir);

    if (n < 0 || (size_t)n >= sizeof(path)) {
        text_add(why, "the path of the data directory is too long");
        return ERR_TOO_LARGE;
    }
    if ((mkdir(path, 0700) < 0 && errno != EEXIST) || stat(path, &st) < 0) {
        int errnum = errno;

        text_addf(why, "cannot make the directory %s: %s", path,
                  strerror(errnum));
        return errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    }
    if (!S_ISDIR(st.st_mode)) {
        text_addf(why, "%s is not a directory, where keys of services belong",
                  path);
        return ERR_IO;
    }
    if ((st.st_mode & 0022) != 0) {
        text_addf(why, "others may write to %s; run `chmod 700 %s`", path,
                  path);
        return ERR_IO;
    }
    return OK;
}

static enum error check_owner(const char *path, struct text *why)
{
    struct stat st;

    if (stat(path, &st) < 0 || st.st_uid == geteuid())
        return OK; /* secret_read says what is wrong with it */
    text_addf(why,
              "%s belongs to uid %lu, but warren runs as uid %lu: run `chown "
              "%lu %s`",
              path, (unsigned long)st.st_uid, (unsigned long)geteuid(),
              (unsigned long)geteuid(), path);
    return ERR_IO;
}

enum error key_file_read(const char *data_dir, const char *name,
                         struct key_file *out, struct text *why)
{
    char path[SECRET_NAME_MAX];
    uint8_t line[LINE_BYTES];
    size_t len = 0;
    enum error err = path_of(data_dir, name, path, why);

    if (err == OK)
        err = check_owner(path, why);
    if (err == OK)
        err =
            secret_read_some(AT_FDCWD, path, line, 1, sizeof(line), &len, why);
    if (err == OK) {
        struct text what;

        text_init(&what, 256);
        err = key_file_import(bytes_of(line, len), out, &what);
        if (err != OK)
            text_addf(why,
                      "%s: %s; bring it back from a backup (`warren service "
                      "remove`, then `warren service key import`)",
                      path, text_get(&what));
        text_deinit(&what);
    }
    sodium_memzero(line, sizeof(line));
    return err;
}

static enum error write_with(const char *data_dir, const char *name,
                             const struct key_file *key,
                             enum error (*write)(int dirfd, const char *name,
                                                 const uint8_t *secret,
                                                 size_t len, struct text *why),
                             struct text *why)
{
    char path[SECRET_NAME_MAX];
    struct text line;
    enum error err = path_of(data_dir, name, path, why);

    if (err == OK)
        err = make_folder(data_dir, why);
    if (err != OK)
        return err;
    text_init(&line, LINE_BYTES);
    key_file_export(key, &line);
    text_add(&line, "\n");
    if (line.truncated) {
        text_add(why, error_text(ERR_NO_MEMORY));
        err = ERR_NO_MEMORY;
    } else {
        err = write(AT_FDCWD, path, (const uint8_t *)line.buf, line.len, why);
    }
    if (line.buf != NULL)
        sodium_memzero(line.buf, line.cap);
    text_deinit(&line);
    return err;
}

enum error key_file_create(const char *data_dir, const char *name,
                           const struct key_file *key, struct text *why)
{
    return write_with(data_dir, name, key, secret_create, why);
}

enum error key_file_replace(const char *data_dir, const char *name,
                            const struct key_file *key, struct text *why)
{
    return write_with(data_dir, name, key, secret_replace, why);
}

enum error key_file_remove(const char *data_dir, const char *name,
                           struct text *why)
{
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, name, path, why);

    return err == OK ? secret_remove(AT_FDCWD, path, why) : err;
}

/* "web" of "web.key"; false for what is no key file. */
static bool name_of(const char *file, char name[SERVICE_NAME_SIZE])
{
    size_t len = strlen(file), ending = strlen(ENDING);
    struct text ignored;
    bool fine;

    if (len <= ending || len - ending >= SERVICE_NAME_SIZE ||
        strcmp(file + len - ending, ENDING) != 0)
        return false;
    memset(name, 0, SERVICE_NAME_SIZE);
    memcpy(name, file, len - ending);
    text_init(&ignored, 0);
    fine = service_name_check(name, &ignored) == OK;
    text_deinit(&ignored);
    return fine;
}

unsigned key_file_list(const char *data_dir, char (*names)[SERVICE_NAME_SIZE],
                       unsigned max)
{
    char path[SECRET_NAME_MAX], name[SERVICE_NAME_SIZE];
    const struct dirent *entry;
    unsigned count = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/" FOLDER, data_dir);
    d = opendir(path);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (!name_of(entry->d_name, name))
            continue;
        if (count < max)
            memcpy(names[count], name, SERVICE_NAME_SIZE);
        count++;
    }
    if (d != NULL)
        closedir(d);
    return count;
}

/* ---- Who may find it ---------------------------------------------------- */

static unsigned find_access(const struct key_file *key, const char *label)
{
    unsigned i = 0;

    while (i < key->access_count && strcmp(key->access[i].label, label) != 0)
        i++;
    return i;
}

enum error key_file_allow(struct key_file *key, const char *label,
                          struct text *why)
{
    enum error err = service_name_check(label, why);

    if (err != OK)
        return err;
    if (key->string_len > 0) {
        text_add(why, "a string has no access secrets: the string itself is "
                      "what others have to know");
        return ERR_UNSUPPORTED;
    }
    if (find_access(key, label) < key->access_count) {
        text_addf(why, "there is an access secret with the label %s already",
                  label);
        return ERR_IN_USE;
    }
    if (key->access_count == SERVICE_ACCESS_MAX) {
        text_addf(why, "there are %d access secrets, and no more can be",
                  SERVICE_ACCESS_MAX);
        return ERR_FULL;
    }
    memset(&key->access[key->access_count], 0, sizeof(key->access[0]));
    memcpy(key->access[key->access_count].label, label, strlen(label) + 1);
    randombytes_buf(key->access[key->access_count].secret, 32);
    key->access_count++;
    return OK;
}

enum error key_file_disallow(struct key_file *key, const char *label,
                             struct text *why)
{
    unsigned i = find_access(key, label);

    if (i == key->access_count) {
        text_add(why, "there is no access secret with the label '");
        text_add_printable(why, bytes_of_text(label));
        text_add(why, "'");
        return ERR_NOT_FOUND;
    }
    key->access_count--;
    memmove(&key->access[i], &key->access[i + 1],
            (key->access_count - i) * sizeof(key->access[0]));
    sodium_memzero(&key->access[key->access_count], sizeof(key->access[0]));
    return OK;
}
