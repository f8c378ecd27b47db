/* SPDX-License-Identifier: MIT
 *
 * Verbs that make services of this node and take them away, with their keys and
 * who may find them.
 */
#include "cli/show/say.h"
#include "cli/show/screen.h"
#include "cli/verb/verb_service.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define GROUP_BYTES 16
#define STRING_MAX  255
#define LINE_BYTES  8000 /* a request has 8 KiB */

static const struct cli_option new_options[] = {
    {"--string", "TEXT", "whoever has this text is a member"},
    {"--group", NULL, "the same with a text that nobody guesses"},
    {0}};

/* ---- new, remove ------------------------------------------------------- */

/* What the service is of: `group` is room for a random one; NULL: a key. */
static bool read_string(const struct cli *cli, char *group, const char **out)
{
    uint8_t random[GROUP_BYTES];
    const char *text = cli_value(cli, "--string");

    *out = text;
    if (cli_value(cli, "--group") != NULL) {
        if (text != NULL) {
            cli_fail(EXIT_USAGE, "--group makes the string, so that it does "
                                 "not go with --string; leave one");
            return false;
        }
        randombytes_buf(random, sizeof(random));
        sodium_bin2hex(group, 2 * GROUP_BYTES + 1, random, sizeof(random));
        *out = group;
    }
    if (*out != NULL && (**out == '\0' || strlen(*out) > STRING_MAX)) {
        cli_fail(EXIT_USAGE, "--string must have 1 to %d bytes, not %zu",
                 STRING_MAX, strlen(*out));
        return false;
    }
    return true;
}

static void print_new(struct mp_reader answer)
{
    if (reply_bytes(answer, "string").len > 0) {
        puts(reply_text(answer, "string"));
        fflush(stdout);
        screen_fold(stderr, 0, "",
                    "Everybody who registers this string is a member; give it "
                    "to nobody else.");
    } else {
        puts(reply_text(answer, "address"));
    }
}

static enum exit_code new_service(struct cli *cli)
{
    char group[2 * GROUP_BYTES + 1];
    const char *string;
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code;

    if (!read_string(cli, group, &string))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "asking the daemon");
    if (code != EXIT_DONE)
        return code;
    w = cli_talk_params(&t, string == NULL ? 1 : 2);
    mp_write_text(w, "name");
    mp_write_text(w, cli->args[0]);
    if (string != NULL) {
        mp_write_text(w, "service");
        mp_write_text(w, string);
    }
    code = cli_talk_call(&t, "service.new");
    if (code == EXIT_DONE && !cli_talk_json(&t))
        print_new(t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code remove_service(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code = cli_service_ask(&t, cli, "service.remove", NULL);

    if (code != EXIT_DONE)
        return code;
    if (!cli_talk_json(&t))
        printf("removed %s and its key\n", cli->args[0]);
    cli_talk_deinit(&t);
    return code;
}

/* ---- access ------------------------------------------------------------ */

static enum exit_code access_add(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code =
        cli_service_ask(&t, cli, "service.allow", cli->args[1]);

    if (code != EXIT_DONE)
        return code;
    if (!cli_talk_json(&t)) {
        puts(reply_text(t.answer.value, "secret"));
        fflush(stdout);
        screen_fold(stderr, 0, "",
                    "Only who has an access secret finds the service now. It "
                    "is given with --access, and is not shown again: 'warren "
                    "service key export' has it.");
    }
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code access_remove(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code =
        cli_service_ask(&t, cli, "service.disallow", cli->args[1]);

    if (code != EXIT_DONE)
        return code;
    if (!cli_talk_json(&t))
        puts(reply_uint(t.answer.value, "count") > 0
                 ? "removed"
                 : "removed the last one: everybody who has the address finds "
                   "the service now");
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code access_list(struct cli *cli)
{
    struct cli_talk t;
    struct mp_reader at;
    uint32_t count;
    enum exit_code code = cli_service_ask(&t, cli, "service.access", NULL);

    if (code != EXIT_DONE)
        return code;
    count = reply_array(t.answer.value, "labels", &at);
    if (!cli_talk_json(&t)) {
        if (count == 0)
            puts("Everybody who has the address finds the service.");
        for (; count > 0; count--) {
            struct bytes label = mp_read_bytes(&at, 0, 31);

            printf("%.*s\n", (int)label.len, (const char *)label.p);
        }
    }
    cli_talk_deinit(&t);
    return code;
}

/* ---- keys -------------------------------------------------------------- */

static enum exit_code key_export(struct cli *cli)
{
    struct cli_talk t;
    struct bytes line;
    enum exit_code code = cli_service_ask(&t, cli, "service.export", NULL);

    if (code != EXIT_DONE)
        return code;
    if (!cli_talk_json(&t)) {
        line = reply_bytes(t.answer.value, "line");
        printf("%.*s\n", (int)line.len, (const char *)line.p);
        fflush(stdout);
        screen_fold(stderr, 0, "",
                    "Whoever has this line is the service: keep it as safe as "
                    "the key itself.");
    }
    cli_talk_deinit(&t);
    return code;
}

/* The line of a file, or of standard input; 0 after a sentence. */
static size_t read_line(const char *file, char *out, size_t size)
{
    FILE *f = file == NULL ? stdin : fopen(file, "r");
    size_t len;

    if (f == NULL) {
        cli_fail(EXIT_TROUBLE, "cannot read %s: %s", file, strerror(errno));
        return 0;
    }
    len = fread(out, 1, size, f);
    if (file != NULL)
        fclose(f);
    if (len > 0 && len < size)
        return len;
    cli_fail(EXIT_USAGE,
             "%s is %s; it must be the line that 'warren service "
             "key export' prints",
             file == NULL ? "what was read" : file,
             len == 0 ? "empty" : "too long");
    return 0;
}

static enum exit_code key_import(struct cli *cli)
{
    char line[LINE_BYTES];
    size_t len = read_line(cli->args[1], line, sizeof(line));
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code = EXIT_USAGE;

    if (len == 0)
        goto out;
    code = cli_talk_init(&t, cli, "asking the daemon");
    if (code != EXIT_DONE)
        goto out;
    w = cli_talk_params(&t, 2);
    mp_write_text(w, "name");
    mp_write_text(w, cli->args[0]);
    mp_write_text(w, "line");
    mp_write_text_n(w, bytes_of(line, len));
    code = cli_talk_call(&t, "service.import");
    if (code == EXIT_DONE && !cli_talk_json(&t))
        print_new(t.answer.value);
    sodium_memzero(t.params, sizeof(t.params));
    cli_talk_deinit(&t);
out:
    sodium_memzero(line, sizeof(line));
    return code;
}

const struct cli_verb cli_service_key_verbs[] = {
    {"service new", "NAME", 1, "make a hidden service and run it", new_options,
     true, false, new_service},
    {"service remove", "NAME", 1, "take it away for good, with its key", NULL,
     true, false, remove_service},
    {"service access add", "NAME LABEL", 2,
     "make a secret; without one nobody finds the service then", NULL, true,
     false, access_add},
    {"service access remove", "NAME LABEL", 2,
     "who has that secret finds the service no more", NULL, true, false,
     access_remove},
    {"service access list", "NAME", 1, "labels of its access secrets", NULL,
     true, false, access_list},
    {"service key export", "NAME", 1, "print its key, for a backup", NULL, true,
     false, key_export},
    {"service key import", "NAME [FILE]", 2,
     "run a service from a backup (standard input)", NULL, true, false,
     key_import},
    {0}};
