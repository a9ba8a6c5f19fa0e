/*
 * Scenario: C++: methods, references, scoped enums, templates, lambdas, virtual calls; the chain of
 * calls that the first argument names ends in pause().
 * Expect: values and names as a debugger prints them.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline))

volatile int sink;

NOINLINE static void wait_here()
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

namespace mail
{
enum class Colour : unsigned char { Red, Green = 5 };
enum Plain { First = 1, Second = 2 };
enum class Flags : unsigned { One = 1, Two = 2, Four = 4 };

struct Point {
	int x, y;
};

class Box
{
      public:
	enum Kind { Small, Big };
	explicit Box(int size);
	virtual ~Box();
	virtual int open(const std::string &key, Kind kind, bool again);
	int count(int &total, const double &ratio, Point &point, Point *where, int &&moved) const;
	static int make(Colour colour, Plain plain, Flags flags, char16_t c, wchar_t w);

      private:
	int size_;
};

Box::Box(int size) : size_(size)
{
	if (size < 0)
		wait_here();
	sink = size;
}

Box::~Box()
{
	sink = size_;
}

NOINLINE int Box::open(const std::string &key, Kind kind, bool again)
{
	wait_here();
	return size_ + (int)key.size() + kind + again;
}

NOINLINE int Box::count(int &total, const double &ratio, Point &point, Point *where,
			int &&moved) const
{
	wait_here();
	return size_ + total + (int)ratio + point.x + where->y + moved;
}

NOINLINE int Box::make(Colour colour, Plain plain, Flags flags, char16_t c, wchar_t w)
{
	wait_here();
	return (int)colour + plain + (int)flags + c + (int)w;
}
} // namespace mail

namespace
{
enum class Hidden { Here = 3 };

template <typename T, int N> NOINLINE T twice(T value, const T *pointer, Hidden hidden)
{
	wait_here();
	return value * N + *pointer + (T)hidden;
}

struct Tree {
	int depth;
	NOINLINE int walk(int level, std::unique_ptr<int> owned, std::vector<int> list)
	{
		wait_here();
		return depth + level + *owned + (int)list.size();
	}
};
} // namespace

static int run(const char *scene, int argc)
{
	mail::Box box(argc);
	mail::Point point = { 1, 2 };
	int total = 5, seven = 7;
	double ratio = 0.5;

	if (!strcmp(scene, "virtual")) {
		mail::Box *b = &box;
		return b->open("key", mail::Box::Big, argc > 1);
	}
	if (!strcmp(scene, "references"))
		return box.count(total, ratio, point, &point, 9);
	if (!strcmp(scene, "enums"))
		return mail::Box::make(mail::Colour::Green, mail::Second,
				       (mail::Flags)((int)mail::Flags::One | 4), u'x', L'w');
	if (!strcmp(scene, "constructor"))
		return mail::Box(-argc), 0;
	if (!strcmp(scene, "template"))
		return twice<int, 3>(argc, &seven, Hidden::Here);
	if (!strcmp(scene, "objects"))
		return Tree{ 1 }.walk(2, std::unique_ptr<int>(new int(3)), { 1, 2, 3 });
	if (!strcmp(scene, "lambda")) {
		auto f = [&total](int a, const char *b) NOINLINE {
			wait_here();
			return a + b[0] + total;
		};
		return std::function<int(int, const char *)>(f)(argc, "captured");
	}
	return 0;
}

int main(int argc, char **argv)
{
	alarm(120);
	sink = run(argc > 1 ? argv[1] : "", argc);
	return sink;
}
