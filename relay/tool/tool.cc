// The one file that knows CLI11: the grammar of the command line, and its help.
#include "relay/tool/tool.h"

#include <iostream>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "queue/id.h"
#include "relay/base/ascii.h"
#include "relay/config/option_value.h"
#include "relay/config/reference.h"
#include "relay/tool/check.h"
#include "relay/tool/dkim_command.h"
#include "relay/tool/explain_command.h"
#include "relay/tool/queue_command.h"
#include "relay/tool/terminal.h"
#include "relay/tool/user_command.h"
#include "relay/tool/version.h"

namespace postrider::tool {

namespace {

constexpr const char* kDefaultConfig = "/etc/postrider/postrider.toml";
constexpr std::size_t kHelpColumn = 24;

// What was said on the command line.
struct Arguments {
  std::string config = kDefaultConfig;
  bool dump = false;
  std::string format = "toml";
  std::string user_name = "NAME";
  UserRequest user;
  bool version = false;
  QueueRequest queue;
  ExplainRequest explain;
};

// A sub-command and what it does.
class CommandLine {
 public:
  CommandLine(Arguments& arguments, const Serve& serve);

  int run(int argc, char** argv);

 private:
  using Action = std::function<int()>;

  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& what,
                    const std::string& examples = "", Action action = {});
  void add_config(CLI::App* command);
  void add_queue();
  void add_explain();
  void add_user();
  void add_relay(CLI::App* command);
  void add_properties(CLI::App* command);
  static void add_duration(CLI::Option* option);
  void add_suspension(CLI::App* command);
  void add_selection(CLI::App* command);
  [[nodiscard]] int refuse(const std::string& what) const;

  int serve();
  int print_options();
  int show_version();

  Arguments& arguments_;
  const Serve& serve_;
  CLI::App app_;
  std::vector<std::pair<CLI::App*, Action>> actions_;
  // Commands that must be told what they act on, and by what.
  std::vector<std::pair<CLI::App*, std::string>> selecting_;
};

// The innermost command that was given: whose help an error points to.
const CLI::App* innermost(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

// "postrider queue list"
std::string path_of(const CLI::App* app) {
  std::string path = app->get_name();
  while ((app = app->get_parent()) != nullptr) path.insert(0, app->get_name() + " ");
  return path;
}

// What was given without saying anything, as "--domain", among the commands that were given. It
// must never count as not given: a script whose variable is not set would act on everything.
std::string find_empty(const CLI::App* outermost) {
  for (const CLI::App* app = innermost(outermost); app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& value : option->results()) {
        if (value.empty()) return option->get_name();
      }
    }
  }
  return "";
}

CommandLine::CommandLine(Arguments& arguments, const Serve& serve)
    : arguments_(arguments),
      serve_(serve),
      app_("postrider, a high-throughput outbound SMTP relay", "postrider") {
  app_.get_formatter()->column_width(kHelpColumn);
  app_.set_help_flag("-h,--help", "Print this help and end");
  app_.require_subcommand(0, 1);
  app_.add_flag("--version", arguments_.version, "Print the version and end");
  app_.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the configuration is wrong,\n"
      "4 the running relay could not be reached.\n\n"
      "A first start:\n"
      "  postrider options > /etc/postrider/postrider.toml   # then edit it\n"
      "  postrider check\n"
      "  postrider serve");
  auto* serve_command = command(app_, "serve", "Run the relay",
                                "  postrider serve\n"
                                "  postrider serve --config relay.toml",
                                [this] { return this->serve(); });
  add_config(serve_command);
  auto* check = command(app_, "check", "Look for mistakes in the configuration",
                        "  postrider check\n"
                        "  postrider check --config relay.toml --dump",
                        [this] { return run_check(arguments_.config, arguments_.dump); });
  add_config(check);
  check->add_flag("--dump", arguments_.dump, "Print every option and where it was set");
  add_explain();
  add_queue();
  add_user();
  add_config(command(app_, "dkim", "Print the DNS records of the keys that sign messages",
                     "  postrider dkim\n"
                     "  postrider dkim --config relay.toml",
                     [this] { return run_dkim(arguments_.config); }));
  auto* options = command(app_, "options", "Print a sample configuration with every option",
                          "  postrider options > postrider.toml\n"
                          "  postrider options --format markdown > options.md",
                          [this] { return print_options(); });
  options->add_option("--format", arguments_.format, "toml (default) or markdown")
      ->option_text("FORMAT")
      ->check(CLI::IsMember({"toml", "markdown"}));
  command(app_, "version", "Print the version and what it was built from", "",
          [this] { return show_version(); });
}

CLI::App* CommandLine::command(CLI::App& parent, const std::string& name, const std::string& what,
                               const std::string& examples, Action action) {
  CLI::App* added = parent.add_subcommand(name, what);
  if (!examples.empty()) added->footer("Examples:\n" + examples);
  if (action) actions_.emplace_back(added, std::move(action));
  return added;
}

void CommandLine::add_config(CLI::App* command) {
  command->add_option("-c,--config", arguments_.config, std::string("Default: ") + kDefaultConfig)
      ->option_text("FILE")
      ->each([this](const std::string&) { arguments_.queue.config_given = true; });
}

// Options of what talks to a running relay.
void CommandLine::add_relay(CLI::App* command) {
  QueueRequest& request = arguments_.queue;
  add_config(command);
  command->add_option("--admin", request.admin, "Where the relay is, instead of --config")
      ->option_text("ADDR:PORT");
  command->add_flag("--json", request.json, "Print the relay's answer as it is");
}

// More of what messages may be selected by.
void CommandLine::add_properties(CLI::App* command) {
  QueueRequest& request = arguments_.queue;
  command->add_option("--tenant", request.tenant, "Messages of this tenant")->option_text("TENANT");
  command->add_option("--campaign", request.campaign, "Messages of this campaign")
      ->option_text("CAMPAIGN");
  add_duration(command->add_option("--older-than", request.older_than,
                                   "Messages that came longer ago than this"));
}

void CommandLine::add_duration(CLI::Option* option) {
  option->option_text("TIME")->check([](const std::string& text) {
    const auto time = config::parse_duration(text);
    return time ? std::string() : time.error().text();
  });
}

// What is suspended, also of mail to come: all that is named must fit.
void CommandLine::add_suspension(CLI::App* command) {
  QueueRequest& request = arguments_.queue;
  command->add_option("--domain", request.domain, "To this domain")->option_text("DOMAIN");
  command->add_option("--tenant", request.tenant, "Of this tenant")->option_text("TENANT");
  command->add_option("--campaign", request.campaign, "Of this campaign")->option_text("CAMPAIGN");
  command->add_flag("--all", request.all, "Everything");
  selecting_.emplace_back(command, "queues: --domain, --tenant, --campaign");
  add_relay(command);
}

void CommandLine::add_selection(CLI::App* command) {
  QueueRequest& request = arguments_.queue;
  command->add_option("ID", request.id, "One message")->type_name("");
  command->add_option("--domain", request.domain, "Messages to this domain")->option_text("DOMAIN");
  command->add_option("--sender", request.sender, "Messages from this address")
      ->option_text("ADDRESS");
  add_properties(command);
  command->add_flag("--all", request.all, "Every message");
  selecting_.emplace_back(command,
                          "messages: ID, --domain, --sender, --tenant, --campaign, --older-than");
}

void CommandLine::add_explain() {
  ExplainRequest& request = arguments_.explain;
  auto* explain = command(app_, "explain", "Show what would become of mail for an address",
                          "  postrider explain ann@example.org\n"
                          "  postrider explain ann@example.org --tenant shop --json",
                          [this, &request] {
                            const QueueRequest& relay = arguments_.queue;
                            request.admin = relay.admin;
                            request.json = relay.json;
                            request.config = arguments_.config;
                            request.config_given = relay.config_given;
                            return run_explain(request);
                          });
  explain->add_option("ADDRESS", request.address, "The recipient")->type_name("")->required();
  explain->add_option("--tenant", request.tenant, "Whose mail it is")->option_text("NAME");
  explain->add_flag("--offline", request.offline, "Ask no relay: go by the configuration alone");
  add_relay(explain);
}

void CommandLine::add_queue() {
  using Kind = QueueRequest::Action;
  QueueRequest& request = arguments_.queue;
  auto* queue = command(app_, "queue", "Look at the queue of a running relay, and change it",
                        "  postrider queue list\n"
                        "  postrider queue retry --domain example.com");
  queue->require_subcommand(1);
  const auto act = [this, &request](Kind kind) {
    return [this, &request, kind] {
      request.action = kind;
      request.config = arguments_.config;
      return run_queue(request);
    };
  };
  auto* list = command(*queue, "list", "Show the queues, or the messages in them",
                       "  postrider queue list\n"
                       "  postrider queue list --messages --domain example.com --limit 20",
                       act(Kind::kList));
  list->add_flag("-m,--messages", request.messages, "Show messages, oldest first");
  list->add_option("--domain", request.domain, "Only messages to this domain")
      ->option_text("DOMAIN");
  list->add_option("--sender", request.sender, "Only messages from this address")
      ->option_text("ADDRESS");
  add_properties(list);
  list->add_option("--from", request.from, "Only from this message on, as a page before said")
      ->option_text("ID");
  list->add_option("--limit", request.limit, "How many to show (default 100)")
      ->option_text("N")
      ->check(CLI::Range(1U, 10'000U));
  add_relay(list);
  auto* show = command(*queue, "show", "Show one message and why it waits",
                       "  postrider queue show 01KAMV8R2T7Z5W3N9Q4X6Y1B0C", act(Kind::kShow));
  show->add_option("ID", request.id, "The queue id, as the 250 reply gave it")
      ->type_name("")
      ->required();
  add_relay(show);
  auto* remove = command(*queue, "remove", "Remove messages; their senders are not told",
                         "  postrider queue remove 01KAMV8R2T7Z5W3N9Q4X6Y1B0C\n"
                         "  postrider queue remove --domain example.com --yes",
                         act(Kind::kRemove));
  add_selection(remove);
  remove->add_flag("-y,--yes", request.yes, "Do not ask");
  add_relay(remove);
  auto* retry = command(*queue, "retry", "Try messages now, whatever their schedule",
                        "  postrider queue retry 01KAMV8R2T7Z5W3N9Q4X6Y1B0C\n"
                        "  postrider queue retry --all",
                        act(Kind::kRetry));
  add_selection(retry);
  add_relay(retry);
  auto* hold = command(*queue, "hold", "Keep messages back until they are released",
                       "  postrider queue hold --sender news@example.org", act(Kind::kHold));
  add_selection(hold);
  add_relay(hold);
  auto* release =
      command(*queue, "release", "Try messages that were held now",
              "  postrider queue release --sender news@example.org", act(Kind::kRelease));
  add_selection(release);
  add_relay(release);
  auto* suspend =
      command(*queue, "suspend", "Stop deliveries, of mail to come as well",
              "  postrider queue suspend --domain example.com --reason \"they asked for it\"\n"
              "  postrider queue suspend --tenant shop --campaign spring --for 2h",
              act(Kind::kSuspend));
  suspend->add_option("--reason", request.reason, "Shown by 'queue list'")->option_text("TEXT");
  add_duration(suspend->add_option("--for", request.duration, "It ends by itself after this"));
  add_suspension(suspend);
  auto* resume = command(*queue, "resume", "End a suspension that names the same",
                         "  postrider queue resume --domain example.com", act(Kind::kResume));
  add_suspension(resume);
}

void CommandLine::add_user() {
  using Kind = UserRequest::Action;
  UserRequest& request = arguments_.user;
  auto* user = command(app_, "user", "Keep the file of users (auth.users_file)",
                       "  postrider user add shop --sender example.com\n"
                       "  postrider user list");
  user->require_subcommand(1);
  const auto keep = [&](Kind kind, const std::string& name, const std::string& what,
                        const std::string& examples) {
    auto* added = command(*user, name, what, examples, [this, &request, kind] {
      request.action = kind;
      request.config = arguments_.config;
      return run_user(request);
    });
    add_config(added);
    added->add_option("--file", request.file, "The file of users, instead of that of --config")
        ->option_text("FILE");
    if (kind != Kind::kList) {
      added->add_option("NAME", request.name, "The name to log in with")->type_name("")->required();
    }
    if (kind == Kind::kAdd || kind == Kind::kPassword) {
      added->add_flag("--no-scram", request.no_scram,
                      "Keep nothing for SCRAM-SHA-256, only the password's hash");
    }
    if (kind == Kind::kAdd) {
      added
          ->add_option("--certificate", request.certificates,
                       "A client certificate it may log in with: sha256:FINGERPRINT, "
                       "email:MAILBOX, or dns:NAME")
          ->option_text("NAME")
          ->allow_extra_args(false);
      added->add_flag("--no-password", request.no_password,
                      "It logs in by certificate only (AUTH EXTERNAL)");
      added
          ->add_option("--sender", request.senders,
                       "In whose name it may send: a domain, *.DOMAIN, an address, or *")
          ->option_text("WHO")
          ->allow_extra_args(false)
          ->required();
      added->add_option("--tenant", request.tenant, "Whose its messages are")->option_text("NAME");
      added
          ->add_option("--priority-max", request.priority_max,
                       "The most urgent band its messages may ask for: low, normal or high")
          ->option_text("BAND");
    }
  };
  keep(Kind::kAdd, "add", "Add a user, whose password is typed or piped in",
       "  postrider user add shop --sender example.com --sender '*.example.com'\n"
       "  printf %s \"$PASSWORD\" | postrider user add shop --sender '*'");
  keep(Kind::kPassword, "passwd", "Change a user's password", "  postrider user passwd shop");
  keep(Kind::kRemove, "remove", "Remove a user", "  postrider user remove shop");
  keep(Kind::kList, "list", "Show the users", "  postrider user list");
  auto* hash = command(*user, "hash", "Print the hash of a password that is typed or piped in",
                       "  postrider user hash --name app\n"
                       "  printf %s \"$PASSWORD\" | postrider user hash",
                       [this] { return run_user_hash(arguments_.user_name); });
  hash->add_option("--name", arguments_.user_name, "The user's name, for the printed lines")
      ->option_text("NAME");
}

int CommandLine::refuse(const std::string& what) const {
  complain(what);
  complain("see '" + path_of(innermost(&app_)) + " --help'");
  return kUsage;
}

int CommandLine::run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    // Help: the library prints that of the command it was asked of.
    return app_.exit(asked, std::cout, std::cerr) == 0 ? kDone : kFailed;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  if (const std::string name = find_empty(&app_); !name.empty()) return refuse(name + " is empty");
  if (arguments_.version) return show_version();
  const QueueRequest& request = arguments_.queue;
  for (const std::string& id : {request.id, request.from}) {
    if (id.empty() || queue::MessageId::parse(id)) continue;
    return refuse("'" + ascii::printable(id, 60) + "' is not a message id");
  }
  for (const auto& [selecting, by] : selecting_) {
    if (!selecting->parsed()) continue;
    if (!request.names_messages() && !request.all) {
      return refuse("say which " + by + " or --all");
    }
    if (request.names_messages() && request.all)
      return refuse("--all goes with no other selection");
  }
  if (!request.messages && (request.names_messages() || !request.from.empty()) &&
      app_.got_subcommand("queue") && app_.get_subcommand("queue")->got_subcommand("list")) {
    arguments_.queue.messages = true;
  }
  for (const auto& [command, action] : actions_) {
    if (command->parsed()) return action();
  }
  std::cerr << app_.help();
  return kUsage;
}

int CommandLine::serve() {
  const Examined examined = examine(arguments_.config);
  for (const std::string& warning : examined.warnings) complain("warning: " + warning);
  if (examined.problems.empty()) return serve_(examined.loaded.config);
  print_problems(examined.problems);
  complain("nothing was started");
  return kBadConfig;
}

int CommandLine::print_options() {
  print(arguments_.format == "markdown" ? config::options_markdown() : config::sample_toml());
  return kDone;
}

int CommandLine::show_version() {
  print(version_text());
  return kDone;
}

}  // namespace

int run(int argc, char** argv, const Serve& serve) {
  Arguments arguments;
  const int code = CommandLine(arguments, serve).run(argc, argv);
  // Who uses what was printed must not take a part for the whole.
  return finish_printing() || code != kDone ? code : kFailed;
}

}  // namespace postrider::tool
