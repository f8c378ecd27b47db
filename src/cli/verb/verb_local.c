/* SPDX-License-Identifier: MIT
 *
 * Verbs that need no daemon, and the one that is it.
 */
#include "base/text.h"
#include "cli/show/say.h"
#include "cli/verb/verbs.h"
#include "node/config/config.h"
#include "node/daemon/daemon.h"
#include "node/entry/saved_table.h"
#include "node/os/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define WHY_LIMIT     (16 * 1024)
#define DEFAULT_LIMIT (256 * 1024)

static enum exit_code run(struct cli *cli)
{
    struct config_input input = {
        .environment = cli->environment, .argc = cli->argc, .argv = cli->argv};
    enum exit_code code = EXIT_DONE;
    struct text why;
    enum error err;

    text_init(&why, WHY_LIMIT);
    err = daemon_run(&input, &why);
    if (err != OK)
        code = cli_say(err == ERR_SYNTAX ? EXIT_USAGE : EXIT_TROUBLE,
                       error_name(err), text_get(&why));
    text_deinit(&why);
    return code;
}

/* What a start would say of the saved tables. */
static enum error check_tables(const struct config *config, const char *file,
                               struct text *why)
{
    struct saved_table table = {.count = 0};
    struct text said;
    enum error err;

    text_init(&said, WHY_LIMIT);
    err = saved_table_load_all(&table, &config->mainline_files, &said, &said);
    if (said.len > 0)
        text_addf(why, "%s: %s%s\n", file, text_get(&said),
                  err == OK ? "; a node starts without" : "");
    saved_table_deinit(&table);
    text_deinit(&said);
    return err;
}

static enum exit_code config_check(struct cli *cli)
{
    struct config_input input = {.file = cli->args[0]};
    struct config config;
    struct text why;
    enum error err;

    text_init(&why, WHY_LIMIT);
    err = config_load(&input, &config, &why);
    if (err == OK && config.mainline_enabled)
        err = check_tables(&config, cli->args[0], &why);
    if (err == OK)
        printf("%s: no mistakes\n", cli->args[0]);
    fputs(text_get(&why), stderr);
    text_deinit(&why);
    if (err == ERR_SYNTAX)
        return EXIT_USAGE;
    return err == OK ? EXIT_DONE : EXIT_TROUBLE;
}

static enum exit_code config_default(struct cli *cli)
{
    struct text out;

    (void)cli;
    text_init(&out, DEFAULT_LIMIT);
    config_print_defaults(&out);
    fputs(text_get(&out), stdout);
    text_deinit(&out);
    return EXIT_DONE;
}

static enum exit_code version(struct cli *cli)
{
    (void)cli;
    puts("warren " WARREN_VERSION);
    return EXIT_DONE;
}

static enum exit_code key_new(struct cli *cli)
{
    uint8_t public[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    char hex[2 * sizeof(public) + 1];
    enum exit_code code = EXIT_DONE;
    struct text why;
    enum error err;

    text_init(&why, WHY_LIMIT);
    crypto_sign_keypair(public, secret);
    err = secret_create(AT_FDCWD, cli->args[0], secret, sizeof(secret), &why);
    if (err == OK)
        puts(sodium_bin2hex(hex, sizeof(hex), public, sizeof(public)));
    else
        code =
            cli_fail(EXIT_TROUBLE, "%s%s", text_get(&why),
                     err == ERR_IN_USE ? "; a key is never overwritten" : "");
    sodium_memzero(secret, sizeof(secret));
    text_deinit(&why);
    return code;
}

const struct cli_verb cli_local_verbs[] = {
    {"run", "", 0, "run the daemon in the foreground", NULL, false, true, run},
    {"config check", "F", 1, "say what is wrong in a configuration file", NULL,
     false, false, config_check},
    {"config default", "", 0, "print every setting with its meaning", NULL,
     false, false, config_default},
    {"version", "", 0, "print the version", NULL, false, false, version},
    {"dht key new", "FILE", 1,
     "make a secret key for items, print its public key", NULL, false, false,
     key_new},
    {0}};
