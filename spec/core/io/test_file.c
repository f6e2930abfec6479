/* Files that are written: the old or the new one, whole, and nothing beside it. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "damage.h"

static void check_content(const char *name, const char *want)
{
    size_t n;
    unsigned char *bytes = get(place(name), &n);
    CHECK(n == strlen(want) && memcmp(bytes, want, n) == 0);
    free(bytes);
}

static void writes_and_replaces(void)
{
    CHECK(mtl_file_write(ctx, place("run.json"), "{\"seed\": 1}\n", 12) == MTL_OK);
    check_content("run.json", "{\"seed\": 1}\n");
    CHECK(mtl_file_write(ctx, place("run.json"), "{}", 2) == MTL_OK);
    check_content("run.json", "{}");
    CHECK(mtl_file_write(ctx, place("none"), NULL, 0) == MTL_OK);
    check_content("none", "");
    CHECK(test_files() == 2);
    struct stat info;
    mode_t mask = umask(022);
    umask(mask);
    CHECK(stat(place("run.json"), &info) == 0 && (info.st_mode & 0777) == (0666 & ~mask));
}

static void writes_beside_the_working_folder(void)
{
    char before[400];
    MUST(getcwd(before, sizeof before) && chdir(test_folder) == 0);
    CHECK(mtl_file_write(ctx, "plain", "x", 1) == MTL_OK);
    CHECK(mtl_file_write(ctx, "./plain", "y", 1) == MTL_OK);
    check_content("plain", "y");
    MUST(chdir(before) == 0);
}

/* A limit on the size of files stands for a full disk: the write stops short, then fails. */
static void keeps_the_old_file_when_the_disk_is_full(void)
{
    static char large[100000];
    struct rlimit limit, small;
    int files = test_files();
    mtl_tensor *t = NULL;
    int64_t shape[] = {1, 300, 300};
    static const char *const names[] = {"t"};
    MUST(mtl_tensor_new(ctx, MTL_U8, 3, shape, &t) == MTL_OK);
    for (uint64_t i = 0; i < 90000; i++) { /* noise, which PNG cannot pack */
        uint32_t w[4];
        mtl_philox(1, 1, i, w);
        ((uint8_t *)mtl_tensor_data(t))[i] = (uint8_t)w[0];
    }
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    small = limit;
    small.rlim_cur = 50000;
    signal(SIGXFSZ, SIG_IGN);
    MUST(setrlimit(RLIMIT_FSIZE, &small) == 0);
    mtl_status status[] = {mtl_file_write(ctx, place("run.json"), large, sizeof large),
                           mtl_safetensors_write(ctx, place("run.json"), 1, names, &t, 0, NULL),
                           mtl_png_write(place("run.json"), t)};
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(status[i] == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "cannot write");
    CHECK_CONTAINS(mtl_message(ctx), "run.json: File too large");
    check_content("run.json", "{}");
    CHECK(test_files() == files);
    mtl_tensor_release(t);
}

static void refuses_places_that_are_none(void)
{
    int files = test_files();
    CHECK(mtl_file_write(ctx, place("nowhere/run.json"), "{}", 2) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "nowhere/run.json: No such file or directory");
    CHECK(mtl_file_write(ctx, test_folder, "{}", 2) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "it is a folder");
    const char *pipe = place("pipe");
    MUST(mkfifo(pipe, 0600) == 0);
    CHECK(mtl_file_write(ctx, pipe, "{}", 2) == MTL_ERR_IO); /* not replaced */
    CHECK_CONTAINS(mtl_message(ctx), "it is a pipe");
    unlink(pipe);
    CHECK(test_files() == files);
}

static void reads_whole_files(void)
{
    char *text = NULL;
    size_t n = 0;
    put("text", "a\0b", 3);
    CHECK(mtl_file_read(ctx, place("text"), 3, &text, &n) == MTL_OK);
    CHECK(n == 3 && text && memcmp(text, "a\0b", 4) == 0);
    free(text);
    text = NULL;
    CHECK(mtl_file_read(ctx, place("text"), 2, &text, &n) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "text: 3 bytes, which should be at most 2");
    CHECK(mtl_file_read(ctx, place("no such file"), 3, &text, &n) == MTL_ERR_IO);
    CHECK(mtl_file_read(ctx, test_folder, 3, &text, &n) == MTL_ERR_IO);
    CHECK(!text);
}

/* The last test: there is no way back. */
static void follows_no_link_where_none_should_be(void)
{
    char *text = NULL;
    size_t n = 0;
    put("real", "x", 1);
    MUST(symlink("real", place("link")) == 0);
    CHECK(mtl_file_read(ctx, place("link"), 3, &text, &n) == MTL_OK);
    free(text);
    text = NULL;
    mtl_refuse_links();
    CHECK(mtl_file_read(ctx, place("link"), 3, &text, &n) == MTL_ERR_IO);
    CHECK(!text);
    CHECK(mtl_file_read(ctx, place("real"), 3, &text, &n) == MTL_OK);
    free(text);
    unlink(place("link"));
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(writes_and_replaces);
    RUN(writes_beside_the_working_folder);
    RUN(keeps_the_old_file_when_the_disk_is_full);
    RUN(refuses_places_that_are_none);
    RUN(reads_whole_files);
    RUN(follows_no_link_where_none_should_be);
    return TEST_RESULT;
}
